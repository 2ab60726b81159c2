//! What a user of KES can observe, row by row of a catalogue of its behaviour. The name of a test begins
//! with the row's id.

mod permissions;
