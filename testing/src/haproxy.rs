//! HAProxy as a load balancer in front of servers of a test's own.

use std::net::{SocketAddr, TcpStream};

use crate::{
    daemon::{Daemon, Folder, find},
    installed, ports, wait_until,
};

/// A running HAProxy.
#[derive(Debug)]
pub struct HaProxy {
    /// Where it listens.
    pub address: SocketAddr,
    _daemon: Daemon,
    folder: Folder,
}

impl HaProxy {
    /// Starts one that divides requests between these servers. It asks each for `/readyz` ten times a
    /// second, sends no more requests to one that does not answer with 200, and never sends a request
    /// twice. `None` if it is not installed, which is also printed to standard error.
    ///
    /// # Panics
    /// When it is missing although `CI=true`, or does not start.
    pub fn before(servers: &[SocketAddr]) -> Option<Self> {
        let program = installed(find("haproxy"))?;
        let folder = Folder::new("haproxy-").expect("a folder");
        let [address] = ports::free();
        let mut lines: Vec<String> = [
            "defaults",
            "  mode http",
            "  retries 0",
            "  timeout connect 2s",
            "  timeout client 30s",
            "  timeout server 30s",
            "  timeout check 10s",
            "listen stores",
        ]
        .map(str::to_owned)
        .into();
        lines.push(format!("  bind {address}"));
        lines.push("  balance roundrobin".to_owned());
        lines.push("  option httpchk".to_owned());
        lines.push(
            "  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost".to_owned(),
        );
        lines.push("  http-check expect status 200".to_owned());
        lines.push("  default-server check inter 100ms fall 1 rise 1".to_owned());
        for (index, server) in servers.iter().enumerate() {
            lines.push(format!("  server store{index} {server}"));
        }
        let file = folder.write("haproxy.cfg", lines.join("\n") + "\n").expect("a file");
        let daemon = folder.start(&program, ["-db".as_ref(), "-f".as_ref(), file.as_os_str()]);
        let haproxy = Self { address, _daemon: daemon.expect("a shell"), folder };
        wait_until("HAProxy runs", || TcpStream::connect(address).is_ok());
        Some(haproxy)
    }

    /// Waits until a server has been ready again so often, after it was not.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn await_return(&self, server: usize, times: usize) {
        let line = format!("Server stores/store{server} is UP");
        wait_until(&line, || self.folder.log().matches(&line).count() >= times);
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
