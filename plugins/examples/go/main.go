// A backend of Keyhole in Go: `backendType: exampleGo`. What it does is in export_keyhole_backend_backend.
package main

import _ "example.com/json-store/internal/wit_exports"

// The bindings in `internal` are generated from the contract and committed, so that a build needs Go and Node alone.
//go:generate cargo run --quiet --manifest-path ../../Cargo.toml --package example-go-bindings

// The host calls the exported functions; nothing is run.
func main() {}
