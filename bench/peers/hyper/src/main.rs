//! hyper on a current-thread tokio runtime: native Rust without JavaScript.  main PORT (0 picks one; it is printed)
use std::{convert::Infallible, env, process, time::SystemTime};

use hyper::body::{to_bytes, Body};
use hyper::header::{HeaderMap, HeaderValue, CONTENT_TYPE};
use hyper::server::conn::Http;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis())
}

fn missing() -> Response<Body> {
    answer(StatusCode::NOT_FOUND, TEXT, "Not Found")
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
}

fn browser(request: &Request<Body>) -> Response<Body> {
    let query = request.uri().query().unwrap_or("");
    let tab = query.split('&').find_map(|p| p.strip_prefix("tab=")).unwrap_or("");
    let h = request.headers();
    let rest = ["accept-language", "sec-fetch-site", "sec-ch-ua-platform"].map(|name| field(h, name));
    answer(StatusCode::OK, TEXT, format!("{} {}", tab, rest.join(" ")))
}

fn get(request: &Request<Body>) -> Response<Body> {
    match request.uri().path() {
        "/" => answer(StatusCode::OK, TEXT, "Hello World"),
        "/json" => answer(StatusCode::OK, JSON, format!(r#"{{"message":"Hello JSON","timestamp":{}}}"#, now())),
        "/browser" => browser(request),
        path => match path.strip_prefix("/users/") {
            Some(id) if !id.is_empty() && !id.contains('/') => answer(StatusCode::OK, TEXT, id.to_owned()),
            _ => missing(),
        },
    }
}

fn echo(body: &[u8]) -> Response<Body> {
    let text = serde_json::Value::from(String::from_utf8_lossy(body));
    answer(StatusCode::OK, JSON, format!(r#"{{"echo":{},"timestamp":{}}}"#, text, now()))
}

fn parse(body: &[u8]) -> Response<Body> {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(v) => answer(StatusCode::OK, JSON, format!(r#"{{"received":{},"timestamp":{}}}"#, v, now())),
        Err(_) => answer(StatusCode::BAD_REQUEST, JSON, r#"{"error":"Invalid JSON"}"#),
    }
}

async fn post(request: Request<Body>) -> Response<Body> {
    let make: fn(&[u8]) -> Response<Body> = match request.uri().path() {
        "/echo" => echo,
        "/json" => parse,
        _ => return missing(),
    };
    match to_bytes(request.into_body()).await {
        Ok(body) => make(&body),
        Err(_) => answer(StatusCode::BAD_REQUEST, TEXT, "Bad Request"),
    }
}

async fn handle(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(match *request.method() {
        Method::GET => get(&request),
        Method::POST => post(request).await,
        _ => missing(),
    })
}

async fn serve(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?.port());
    let mut http = Http::new();
    http.http1_only(true).pipeline_flush(true);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http.serve_connection(stream, service_fn(handle));
        tokio::task::spawn_local(async move {
            // a client that leaves ends its own connection and nothing else
            let _ = connection.await;
        });
    }
}

fn main() -> std::io::Result<()> {
    let Some(port) = env::args().nth(1).and_then(|p| p.parse().ok()) else {
        eprintln!("usage: bench-hyper PORT");
        process::exit(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(port))
}
