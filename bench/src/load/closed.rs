//! Plain requests: as fast as the target answers, or at a fixed rate.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{Connection, PATIENCE, Samples, request};
use crate::Outcome;

const TARGET: &str = "/claude/v1/messages?beta=true";

/// Every connection sends its next request when the answer is whole.
pub(super) async fn saturate(port: u16, connections: usize, time: Duration, bytes: usize) -> Samples {
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(one(port, until, bytes));
    }
    let mut all = Samples::default();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(samples) => all.add(samples),
            Err(error) => all.fail(error),
        }
    }
    all
}

async fn one(port: u16, until: Instant, bytes: usize) -> Samples {
    let mut samples = Samples::default();
    let request = request(TARGET, bytes);
    while Instant::now() < until {
        let Ok(mut connection) = Connection::open(port).await else {
            samples.fail("no connection");
            return samples;
        };
        while Instant::now() < until {
            let sent = Instant::now();
            match tokio::time::timeout(PATIENCE, connection.exchange(&request)).await {
                Ok(Ok(())) => {
                    samples.units += 1;
                    samples.micros.push(sent.elapsed().as_secs_f64() * 1e6);
                }
                Ok(Err(error)) => {
                    samples.fail(error);
                    break;
                }
                Err(_) => {
                    samples.fail("no answer");
                    return samples;
                }
            }
        }
    }
    samples
}

/// One connection, `rate` requests a second.
pub(super) async fn pace(port: u16, rate: u32, time: Duration) -> Outcome<Samples> {
    let mut samples = Samples::default();
    let request = request(TARGET, 1024);
    let mut connection = Connection::open(port).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let until = Instant::now() + time;
    while Instant::now() < until {
        ticks.tick().await;
        let sent = Instant::now();
        connection.exchange(&request).await?;
        samples.units += 1;
        samples.micros.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    Ok(samples)
}
