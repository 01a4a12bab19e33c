//! Both services of an RQD behind one port.
//!
//! A call goes to the service its path names. What names neither goes to the first one, which
//! answers UNIMPLEMENTED.

use std::convert::Infallible;
use std::task::{Context, Poll};

use cue_proto::rqd::rqd_interface_server::RqdInterfaceServer;
use cue_proto::rqd::running_frame_server::RunningFrameServer;
use http::{Request, Response};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

use super::server::Rqds;

/// The two services.
#[derive(Clone)]
pub(super) struct Services {
    rqd: RqdInterfaceServer<Rqds>,
    frame: RunningFrameServer<Rqds>,
}

impl Services {
    pub(super) fn new(rqds: Rqds) -> Self {
        Self {
            rqd: RqdInterfaceServer::new(rqds.clone()),
            frame: RunningFrameServer::new(rqds),
        }
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Neither service ever makes a caller wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let named = request.uri().path().split('/').nth(1);
        if named == Some(RunningFrameServer::<Rqds>::NAME) {
            self.frame.call(request)
        } else {
            self.rqd.call(request)
        }
    }
}
