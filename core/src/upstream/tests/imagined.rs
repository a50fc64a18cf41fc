//! A stand-in for the network.

use http::{Request, Response, StatusCode};

use super::super::StandIn;
use super::*;
use crate::step::BoxFuture;

struct Teapot;

impl StandIn for Teapot {
    fn provider(&self, outbound: Outbound) -> BoxFuture<'_, Result<Answer>> {
        let answer = Answer::bytes(StatusCode::IM_A_TEAPOT, "text/plain", outbound.path.to_string().into());
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn plugin(&self, _: Request<Bytes>) -> BoxFuture<'_, std::result::Result<Response<Bytes>, String>> {
        Box::pin(std::future::ready(Err("no".to_owned())))
    }
}

#[tokio::test]
async fn a_stand_in_answers_everything_and_nothing_is_connected_to() {
    let reached = canned("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let upstream = Upstream::new(settings()).unwrap().answered_by(Arc::new(Teapot));
    let answer = upstream.send(outbound(reached, "{}")).await.unwrap();
    assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
    assert_eq!(text(Ok(answer)).await, "/v1/messages?beta=true");
    assert!(upstream.stand_in().is_some() && Upstream::new(settings()).unwrap().stand_in().is_none());
}
