//go:build interop

package interop_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is the user id under which servers run that refuse root.
const nobody = 65534

// startEjabberd starts ejabberd for the domain, and returns its address and its process id. It ends with the test.
func startEjabberd(b testing.TB, a *authority) (address string, pid int) {
	b.Helper()
	libs, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	erl, notFound := exec.LookPath("erl")
	if err != nil || len(libs) == 0 || notFound != nil {
		missing(b, "ejabberd")
	}
	home := filepath.Join(a.dir, "ejabberd")
	for _, dir := range []string{home, filepath.Join(home, "spool"), filepath.Join(home, "log")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	cert, key := a.save(a.server(), "ejabberd/server")
	both := filepath.Join(home, "server.pem")
	clients := freePort(b)
	for name, text := range map[string]string{
		both:                                  read(b, cert) + read(b, key),
		filepath.Join(home, "root.pem"):       read(b, a.anchors),
		filepath.Join(home, "inetrc"):         ejabberdNames,
		filepath.Join(home, "ejabberd.yml"):   fmt.Sprintf(ejabberdConfig, domain, both, filepath.Join(home, "root.pem"), clients),
		filepath.Join(home, ".erlang.cookie"): "busbar",
	} {
		if err := os.WriteFile(name, []byte(text), 0o400); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command(erl, "-sname", "busbar"+clients+"@localhost", "+K", "true", "+P", "250000", "+sss", "8192",
		"+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", // idle schedulers would spin, and count as work
		"-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-erl_epmd_port", freePort(b), "-start_epmd", "false",
		"-mnesia", "dir", strconv.Quote(filepath.Join(home, "spool")), "-ejabberd", "log_rotate_count", "0", "-s", "ejabberd", "-noinput")
	cmd.Dir = filepath.Join(home, "spool")
	cmd.Env = append(os.Environ(), "HOME="+home, "EJABBERD_CONFIG_PATH="+filepath.Join(home, "ejabberd.yml"),
		"EJABBERD_LOG_PATH="+filepath.Join(home, "log", "ejabberd.log"), "EJABBERD_PID_PATH="+filepath.Join(home, "ejabberd.pid"),
		"ERL_LIBS="+filepath.Dir(libs[0]), "ERL_INETRC="+filepath.Join(home, "inetrc"), "ERL_MAX_PORTS=32000",
		"ERL_CRASH_DUMP_BYTES=0", "ERL_EPMD_ADDRESS=127.0.0.1")
	if os.Getuid() == 0 {
		giveAway(b, home)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // how it ended is of no interest
	}()
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	})
	address = net.JoinHostPort("127.0.0.1", clients)
	for range 300 { // it does not say when it listens
		if nc, err := net.Dial("tcp", address); err == nil {
			nc.Close()
			return address, cmd.Process.Pid
		}
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(home, "log", "ejabberd.log"))
			b.Fatalf("ejabberd has ended: %s\n%s", said.String(), log)
		case <-time.After(100 * time.Millisecond):
		}
	}
	b.Fatal("ejabberd does not listen after 30 s")
	return "", 0
}

// giveAway makes a folder and what is in it nobody's.
func giveAway(b testing.TB, dir string) {
	b.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	}); err != nil {
		b.Fatal(err)
	}
}

// openDir returns a folder that other users may pass through, which that of testing.TB.TempDir is not.
func openDir(b testing.TB) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "busbar-interop-")
	if err == nil {
		b.Cleanup(func() { os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// freePort returns a port of loopback that was free a moment ago: some servers cannot choose one and say which.
func freePort(b testing.TB) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	return port
}

func read(b testing.TB, file string) string {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// ejabberdConfig wants the domain, the file of certificate and key, that of the root, and the port.
const ejabberdConfig = `loglevel: warning
hosts: ["%[1]s"]
certfiles: ["%[2]s"]
ca_file: "%[3]s"
c2s_cafile: "%[3]s"
listen:
  -
    ip: "127.0.0.1"
    port: %[4]s
    module: ejabberd_c2s
    backlog: 1024
    starttls_required: true
    tls_verify: true
    max_stanza_size: 1048576
    shaper: none
    access: c2s
    protocol_options: ["no_sslv3", "no_tlsv1", "no_tlsv1_1", "cipher_server_preference", "no_compression"]
c2s_ciphers: "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
auth_method: internal
disable_sasl_mechanisms: ["DIGEST-MD5", "PLAIN", "X-OAUTH2", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
negotiation_timeout: 30
max_fsm_queue: 10000
access_rules: {c2s: {allow: all}}
shaper_rules: {max_user_sessions: 1000}
modules: {mod_disco: {}, mod_ping: {}, mod_roster: {}, mod_version: {}}
`

const ejabberdNames = `{resolv_conf,""}.
{hosts_file,""}.
{lookup,[file]}.
{host,{127,0,0,1},["localhost"]}.
`
