//! The subjects: proxies on one core, in front of one nginx on the other.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::exec;

const START: Duration = Duration::from_secs(30);
/// Linux counts CPU time in hundredths of a second.
const TICKS: u64 = 100;

const INVENTORY: &str = "\
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: server, labels: {id: server}}
spec: {addresses: [127.0.10.1]}
---
apiVersion: postern.dev/v1alpha1
kind: Workload
metadata: {name: client, labels: {id: client}}
spec: {addresses: [127.0.0.1]}
";

const POLICY: &str = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: bench}
spec:
  endpointSelector: {matchLabels: {id: server}}
  ingress:
  - fromEndpoints: [{matchLabels: {id: client}}]
    toPorts: [{ports: [{port: \"80\", protocol: TCP}], rules: {http: [{method: GET, path: \"/public/.*\"}]}}]
";

/// The files, the upstream, and where the programs are.
pub(super) struct Ground {
    pub(super) dir: TempDir,
    postern: PathBuf,
    pub(super) envoy: PathBuf,
    pub(super) upstream: SocketAddr,
    _server: Subject,
}

/// A running proxy, or the server behind them. Dropping it ends it.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) url: String,
    process: Child,
}

impl Ground {
    /// Writes the files and starts the server.
    pub(super) fn prepare(postern: &Path, envoy: &Path) -> Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder")?;
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).with_context(|| format!("cannot write {name}"))
        };
        write("inventory.yaml", INVENTORY)?;
        write("policy.yaml", POLICY)?;
        let upstream = free(Ipv4Addr::LOCALHOST)?;
        write("server.conf", &nginx(dir.path(), "server", upstream, "return 200 hello;"))?;
        let command = nginx_command(dir.path(), "server");
        let server = Subject::start("server", &command, upstream, "1")?;
        Ok(Self { postern: postern.into(), envoy: envoy.into(), upstream, _server: server, dir })
    }

    /// Starts them, the one that the others are compared with first.
    pub(super) fn subjects(&self) -> Result<Vec<Subject>> {
        Ok(vec![self.nginx()?, self.postern()?, self.envoy_bare()?, self.envoy_filter()?])
    }

    pub(super) fn nginx(&self) -> Result<Subject> {
        let listen = free(Ipv4Addr::LOCALHOST)?;
        let proxy = "proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection \"\";";
        let upstream = format!(
            "upstream server {{ server {}; keepalive 64; keepalive_requests 1000000000; }}",
            self.upstream
        );
        let text =
            nginx(self.dir.path(), "proxy", listen, proxy).replace("http {", &format!("http {{ {upstream}"));
        fs::write(self.dir.path().join("proxy.conf"), text).context("cannot write proxy.conf")?;
        Subject::start("nginx proxy_pass, no policy", &nginx_command(self.dir.path(), "proxy"), listen, "0")
    }

    fn postern(&self) -> Result<Subject> {
        self.proxy("postern proxy with the filter", &self.dir.path().join("policy.yaml"))
    }

    /// The proxy, with a policy of its own.
    pub(super) fn proxy(&self, name: &str, policy: &Path) -> Result<Subject> {
        let listen = free(Ipv4Addr::new(127, 0, 10, 1))?;
        let mut command = Command::new(&self.postern);
        command
            .args(["proxy", "--workers", "1", "--log", "warn", "--listen", &listen.to_string()])
            .args(["--upstream", &self.upstream.to_string()])
            .args(self.policy(policy));
        Subject::start(name, &command, listen, "0")
    }

    fn envoy_filter(&self) -> Result<Subject> {
        let listen = free(Ipv4Addr::new(127, 0, 10, 1))?;
        let module = self.dir.path().join("postern.wasm");
        exec::output(Command::new(&self.postern).args(["filter", "export", "-o"]).arg(&module))?;
        let config = exec::output(
            Command::new(&self.postern)
                .arg("bundle")
                .args(self.policy(&self.dir.path().join("policy.yaml")))
                .args(["--for", "envoy", "--listen", &listen.to_string()])
                .args(["--upstream", &self.upstream.to_string(), "--module"])
                .arg(&module),
        )?;
        self.envoy("Envoy with the filter", &config, listen)
    }

    /// The same bootstrap with both plugins taken out.
    fn envoy_bare(&self) -> Result<Subject> {
        let listen = free(Ipv4Addr::LOCALHOST)?;
        let (ip, port) = (listen.ip(), listen.port());
        let (upstream_ip, upstream_port) = (self.upstream.ip(), self.upstream.port());
        let types = "type.googleapis.com/envoy.extensions.filters";
        let config = format!(
            r#"static_resources:
  listeners:
  - address: {{socket_address: {{address: "{ip}", port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {types}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bare
          use_remote_address: true
          route_config: {{virtual_hosts: [{{name: u, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: u}}}}]}}]}}
          http_filters: [{{name: router, typed_config: {{"@type": {types}.http.router.v3.Router}}}}]
  clusters:
  - name: u
    load_assignment: {{cluster_name: u, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: "{upstream_ip}", port_value: {upstream_port}}}}}}}}}]}}]}}
"#
        );
        self.envoy("Envoy, no filter", &config, listen)
    }

    pub(super) fn envoy(&self, name: &str, config: &str, listen: SocketAddr) -> Result<Subject> {
        self.envoy_on("0", name, config, listen)
    }

    /// The same on some of the cores.
    pub(super) fn envoy_on(
        &self,
        cores: &str,
        name: &str,
        config: &str,
        listen: SocketAddr,
    ) -> Result<Subject> {
        let path = self.dir.path().join(format!("{}.yaml", listen.port()));
        fs::write(&path, config).context("cannot write Envoy's configuration")?;
        let mut command = Command::new(&self.envoy);
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "-c"]).arg(path);
        Subject::start(name, &command, listen, cores)
    }

    fn policy(&self, policy: &Path) -> Vec<String> {
        let inventory = self.dir.path().join("inventory.yaml");
        let [policy, inventory] = [policy, &inventory].map(|file| file.to_string_lossy().into_owned());
        ["--policy", &policy, "--inventory", &inventory, "--workload", "default/server", "--port", "80"]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Subject {
    /// Starts a program on some of the cores and waits until it takes connections.
    pub(super) fn start(name: &str, command: &Command, listen: SocketAddr, cores: &str) -> Result<Self> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
        let process = pinned
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let name = name.to_owned();
        let mut subject = Self { name, url: format!("http://{listen}/public/x"), process };
        let begin = Instant::now();
        while TcpStream::connect_timeout(&listen, Duration::from_millis(200)).is_err() {
            let ended = subject.process.try_wait().context("cannot ask for a process")?;
            ensure!(ended.is_none(), "{} has ended before it listened on {listen}", subject.name);
            ensure!(begin.elapsed() < START, "{} does not listen on {listen}", subject.name);
        }
        Ok(subject)
    }

    /// CPU time so far, all threads together. `nginx` runs as one process here.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.process.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("{} has ended", self.name))?;
        // After the name, which may hold anything, field 12 and 13 are user and system time.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>().context(path)?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Resident memory in KiB.
    pub(super) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().and_then(|number| number.parse().ok()).context("VmRSS is not a number")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody has now.
pub(super) fn free(ip: Ipv4Addr) -> Result<SocketAddr> {
    let listener = TcpListener::bind((ip, 0)).context("no free port")?;
    Ok(listener.local_addr()?)
}

/// One process and no master, so that its CPU time is the proxy's.
fn nginx(dir: &Path, name: &str, listen: SocketAddr, location: &str) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/{name}.pid; error_log {dir}/{name}.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000;\n\
         server {{ listen {listen}; location / {{ {location} }} }} }}\n"
    )
}

fn nginx_command(dir: &Path, name: &str) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-e").arg(dir.join("start.log")).arg("-c").arg(dir.join(format!("{name}.conf")));
    command
}
