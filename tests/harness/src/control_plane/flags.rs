//! Command lines, files and ports of one control plane.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Layout {
    pub folder: PathBuf,
    pub etcd_port: u16,
    pub etcd_peer_port: u16,
    pub apiserver_port: u16,
}

impl Layout {
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver_port)
    }

    pub fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// `--NAME=FILE`, a file or folder of this control plane.
    fn flag(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.folder.join(file).display())
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_port)
    }

    /// Without fsync: a test's data need not survive a power cut, and disks of CI machines are slow.
    pub fn etcd(&self, binary: &Path) -> Command {
        let client = self.etcd_url();
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer_port);
        let mut command = Command::new(binary);
        command
            .args(["--unsafe-no-fsync", "--log-level=warn", "--name=default"])
            .arg(self.flag("data-dir", "etcd"))
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster=default={peer}"));
        command
    }

    pub fn apiserver(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg(format!("--etcd-servers={}", self.etcd_url()))
            .arg(format!("--secure-port={}", self.apiserver_port))
            .args(["--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"])
            .arg(self.flag("cert-dir", "certificates"))
            .arg(self.flag("tls-cert-file", "tls.crt"))
            .arg(self.flag("tls-private-key-file", "tls.key"))
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(self.flag("service-account-key-file", "service-account.pub"))
            .arg(self.flag("service-account-signing-key-file", "service-account.key"))
            .arg(format!("--token-auth-file={}", self.tokens().display()))
            .arg("--authorization-mode=RBAC")
            .arg("--disable-admission-plugins=ServiceAccount");
        command
    }

    pub fn controller_manager(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg(format!("--kubeconfig={}", self.admin_kubeconfig().display()))
            .arg("--controllers=garbage-collector-controller,namespace-controller")
            .args(["--leader-elect=false", "--secure-port=0"])
            .arg(self.flag("cert-dir", "certificates"));
        command
    }
}
