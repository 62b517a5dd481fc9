//! nginx as a proxy that shows a server of a test's own below a path.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
};

use crate::{
    daemon::{Daemon, Folder, find},
    installed, ports, wait_until,
};

/// Whether the server gets the path below which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// It gets whole addresses.
    ThePath,
    /// It gets what follows the path.
    TheRest,
}

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    _daemon: Daemon,
    folder: Folder,
}

impl Nginx {
    /// Starts one that shows `server` below `path`, which begins with a slash and has none at its end,
    /// and nothing elsewhere. The server gets the `Host` that the client sent. `None` if nginx is not
    /// installed, which is also printed to standard error.
    ///
    /// # Panics
    /// When it is missing although `CI=true`, or does not start.
    pub fn before(server: SocketAddr, path: &str, passes: Passes) -> Option<Self> {
        let program = installed(find("nginx"))?;
        let folder = Folder::new("nginx-").expect("a folder");
        let [address] = ports::free();
        let place = folder.path().display();
        let rest = if passes == Passes::TheRest { "/" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("  {what}_temp_path {place}/{what};\n"))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log stderr;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n{temporary}\
             \x20 log_format asked $request_uri;\n  access_log {place}/access.log asked;\n\
             \x20 server {{\n    listen {address};\n\
             \x20   location {path}/ {{\n\
             \x20     proxy_pass http://{server}{rest};\n\
             \x20     proxy_http_version 1.1;\n\
             \x20     proxy_set_header Host $http_host;\n\
             \x20   }}\n    location / {{ return 404; }}\n  }}\n}}\n"
        );
        let file = folder.write("nginx.conf", config).expect("a file");
        let args = [
            "-e".as_ref(),
            "stderr".as_ref(),
            "-p".as_ref(),
            folder.path().as_os_str(),
            "-c".as_ref(),
            file.as_os_str(),
        ];
        let daemon = folder.start(&program, args);
        let nginx = Self { address, _daemon: daemon.expect("a shell"), folder };
        wait_until("nginx runs", || TcpStream::connect(address).is_ok());
        Some(nginx)
    }

    /// The path and query of every request that has ended, in the order of their ends.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
