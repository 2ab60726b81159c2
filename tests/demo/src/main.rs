//! The tour of `cargo xtask demo`: an ExternalSecret becomes a Secret, on a real API server, and follows
//! its store.
#![allow(clippy::print_stdout, reason = "the tour speaks to a person")]

mod cluster;
mod store;
mod tour;

use std::process::ExitCode;

use clap::Parser;

/// Shows an ExternalSecret become a Secret.
#[derive(Parser)]
pub struct Args {
    /// End after the tour in place of running until Ctrl-C
    #[arg(long)]
    once: bool,
    /// `fake`, `moto`, `real`, or the URL of an endpoint
    #[arg(long, default_value = "fake")]
    aws: String,
    /// With `--aws real`: the secret to show, by name or ARN; only key names and sizes are printed
    #[arg(long, required_if_eq("aws", "real"), value_name = "NAME")]
    secret: Option<String>,
    /// Region of the secret
    #[arg(long, default_value = "eu-west-1")]
    region: String,
    /// Use this context of your kubeconfig in place of a control plane of our own
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tour::run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nThe tour stopped: {error:#}");
            ExitCode::FAILURE
        }
    }
}
