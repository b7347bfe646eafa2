//! Answers that are sent piece by piece, and that are counted meanwhile.

use super::State;
use crate::Result;
use crate::server::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

pub const BETWEEN_PIECES: Duration = Duration::from_millis(60);
pub const FOREVER: Duration = Duration::from_secs(60);

/// How a stream ends that does not end properly.
pub enum End {
    Never,
    Breaks,
}

/// Counts a stream while it lives.
struct Active(Arc<State>);

impl Active {
    fn new(state: &Arc<State>) -> Self {
        state.active.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

pub fn pieces<P: Into<Bytes> + Send + 'static>(
    state: &Arc<State>,
    status: u16,
    pieces: Vec<P>,
    end: Option<End>,
) -> Result<Response<Body>> {
    let active = Active::new(state);
    let held = state.hold_streams.subscribe();
    let paced = stream::iter((0..).zip(pieces)).then(move |(at, piece)| {
        let mut held = held.clone();
        async move {
            tokio::time::sleep(BETWEEN_PIECES).await;
            if at > 0 {
                held.wait_for(|held| !held).await?;
            }
            Ok(piece.into())
        }
    });
    let end = stream::once(async move {
        match end {
            Some(End::Never) => {
                tokio::time::sleep(FOREVER).await;
                Ok(Bytes::new())
            }
            Some(End::Breaks) => {
                tokio::time::sleep(BETWEEN_PIECES).await;
                Err("the provider died".into())
            }
            None => Ok(Bytes::new()),
        }
    });
    Ok(Response::builder()
        .status(status)
        .header("content-type", "text/plain")
        .body(body(paced.chain(end), active))?)
}

fn body(pieces: impl Stream<Item = Result<Bytes>> + Send + 'static, active: Active) -> Body {
    let frames = pieces.map(move |piece| {
        let _alive = &active;
        piece.map(Frame::data)
    });
    StreamBody::new(frames).boxed_unsync()
}

/// This many bytes, as fast as they are read, and never all in memory.
pub fn large(state: &Arc<State>, length: usize) -> Result<Response<Body>> {
    const PIECE: usize = 64 << 10;
    let piece = Bytes::from_static(&[b'x'; PIECE]);
    let pieces = (0..length.div_ceil(PIECE)).map(move |at| {
        let left = length - at * PIECE;
        Ok(piece.slice(..left.min(PIECE)))
    });
    Ok(Response::new(body(
        stream::iter(pieces),
        Active::new(state),
    )))
}

/// Server-sent events, one for each piece.
pub fn events(state: &Arc<State>, events: Vec<String>) -> Result<Response<Body>> {
    let mut response = pieces(state, 200, events, None)?;
    response
        .headers_mut()
        .insert("content-type", "text/event-stream; charset=utf-8".parse()?);
    Ok(response)
}

/// Bytes of this type, piece by piece.
pub fn binary_pieces(
    state: &Arc<State>,
    all: Vec<Vec<u8>>,
    content_type: &'static str,
) -> Result<Response<Body>> {
    let mut response = pieces(state, 200, all, None)?;
    let content_type = http::HeaderValue::from_static(content_type);
    response.headers_mut().insert("content-type", content_type);
    Ok(response)
}
