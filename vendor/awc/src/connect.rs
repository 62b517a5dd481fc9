use std::{net, rc::Rc};

use actix_codec::Framed;
use actix_http::{h1::ClientCodec, RequestHead, RequestHeadType, ResponseHead};
use actix_service::Service;
use futures_core::future::LocalBoxFuture;

use crate::{
    any_body::AnyBody,
    client::{Connect as ClientConnect, ConnectError, Connection, ConnectionIo, SendRequestError},
    ClientResponse,
};

pub type BoxConnectorService = Rc<
    dyn Service<
        ConnectRequest,
        Response = ConnectResponse,
        Error = SendRequestError,
        Future = LocalBoxFuture<'static, Result<ConnectResponse, SendRequestError>>,
    >,
>;

pub type BoxedSocket = Box<dyn ConnectionIo>;

/// Combined HTTP and WebSocket request type received by connection service.
pub enum ConnectRequest {
    /// Standard HTTP request.
    ///
    /// Contains the request head, body type, and optional pre-resolved socket address.
    Client(RequestHeadType, AnyBody, Option<net::SocketAddr>),

    /// Tunnel used by WebSocket connection requests.
    ///
    /// Contains the request head and optional pre-resolved socket address.
    Tunnel(RequestHead, Option<net::SocketAddr>),
}

/// Combined HTTP response & WebSocket tunnel type returned from connection service.
pub enum ConnectResponse {
    /// Standard HTTP response.
    Client(ClientResponse),

    /// Tunnel used for WebSocket communication.
    ///
    /// Contains response head and framed HTTP/1.1 codec.
    Tunnel(ResponseHead, Framed<BoxedSocket, ClientCodec>),
}

impl ConnectResponse {
    /// Unwraps type into HTTP response.
    ///
    /// # Panics
    /// Panics if enum variant is not `Client`.
    pub fn into_client_response(self) -> ClientResponse {
        match self {
            ConnectResponse::Client(res) => res,
            _ => {
                panic!("ClientResponse only reachable with ConnectResponse::ClientResponse variant")
            }
        }
    }

    /// Unwraps type into WebSocket tunnel response.
    ///
    /// # Panics
    /// Panics if enum variant is not `Tunnel`.
    pub fn into_tunnel_response(self) -> (ResponseHead, Framed<BoxedSocket, ClientCodec>) {
        match self {
            ConnectResponse::Tunnel(head, framed) => (head, framed),
            _ => {
                panic!("TunnelResponse only reachable with ConnectResponse::TunnelResponse variant")
            }
        }
    }
}

pub struct DefaultConnector<S> {
    connector: S,
}

impl<S> DefaultConnector<S> {
    pub(crate) fn new(connector: S) -> Self {
        Self { connector }
    }
}

impl<S, Io> Service<ConnectRequest> for DefaultConnector<S>
where
    S: Service<ClientConnect, Error = ConnectError, Response = Connection<Io>>,
    S::Future: 'static,
    Io: ConnectionIo,
{
    type Response = ConnectResponse;
    type Error = SendRequestError;
    type Future = LocalBoxFuture<'static, Result<ConnectResponse, SendRequestError>>;

    actix_service::forward_ready!(connector);

    fn call(&self, req: ConnectRequest) -> Self::Future {
        // connect to the host
        let (uri, addr) = match req {
            ConnectRequest::Client(ref head, .., addr) => (&head.as_ref().uri, addr),
            ConnectRequest::Tunnel(ref head, addr) => (&head.uri, addr),
        };
        let connecting = self.connector.call(ClientConnect {
            uri: uri.clone(),
            addr,
        });

        Box::pin(async move {
            let connection = connecting.await?;

            // send request
            match req {
                ConnectRequest::Client(head, body, ..) => {
                    let (head, payload) = connection.send_request(head, body).await?;
                    Ok(ConnectResponse::Client(ClientResponse::new(head, payload)))
                }

                ConnectRequest::Tunnel(head, ..) => {
                    let (head, framed) = connection.open_tunnel(head).await?;
                    let framed = framed.into_map_io(|io| Box::new(io) as _);
                    Ok(ConnectResponse::Tunnel(head, framed))
                }
            }
        })
    }
}
