package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/pki"
)

// mistake is something that a user may do wrong.
type mistake struct {
	name    string
	prepare func(t *testing.T, f folder) // breaks what is to be broken; nil: nothing
	args    []string
	status  int
	names   []string // what the line names
	hint    string   // what the hint holds
}

// check runs the command and holds what it says against the rule: a line that names the thing, and a hint.
func (m mistake) check(t *testing.T, f folder) {
	f.t = t
	if m.prepare != nil {
		m.prepare(t, f)
	}
	r := f.run(m.args...)
	if r.status != m.status || r.stdout != "" {
		t.Errorf("busbar %q: status %d, want %d; stdout %q", m.args, r.status, m.status, r.stdout)
	}
	lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "busbar: ") || !strings.HasPrefix(lines[1], "  hint: ") {
		t.Fatalf("busbar %q says\n%s\nwant one line that starts with busbar: and one with hint:", m.args, r.stderr)
	}
	for _, name := range m.names {
		if !strings.Contains(lines[0], name) {
			t.Errorf("busbar %q says %q, want it to name %q", m.args, lines[0], name)
		}
	}
	if !strings.Contains(lines[1], m.hint) {
		t.Errorf("busbar %q: %q, want %q in it", m.args, lines[1], m.hint)
	}
}

// Each of these is wrong with a broker and an IED on line.
func TestMistakesOfClients(t *testing.T) {
	f := newFolder(t)
	broker, address := f.broker()
	f.ied()
	other := newFolder(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	const ref = "PV1LD0/MMXU1.TotW[MX]"
	get := func(args ...string) []string {
		return append([]string{"get", "--to", "pv1", ref}, args...)
	}
	for _, m := range []mistake{
		{name: "no such logical node", args: []string{"ls", "--to", "pv1", "--jid", "ems", "PV1LD0/NOPE1"}, status: exitFailed, names: []string{"PV1LD0/NOPE1", "DECP1"}, hint: "ls"},
		{name: "no reference", args: []string{"get", "--to", "pv1", "--jid", "ems", "a b/c"}, status: exitUsage, names: []string{`"a b/c"`}, hint: "--help"},
		{name: "no functional constraint of this name", args: []string{"get", "--to", "pv1", "--jid", "ems", "PV1LD0/MMXU1.TotW[XX]"}, status: exitUsage, names: []string{`"XX"`, "MX"}, hint: "--help"},
		{name: "no value", args: []string{"set", "--to", "pv1", "--jid", "ems", "PV1LD0/DGEN1.WMax.setMag.f"}, status: exitUsage, names: []string{"PV1LD0/DGEN1.WMax.setMag.f", "REF=VALUE"}, hint: "--help"},
		{name: "no IED is named", args: []string{"ls", "--jid", "ems"}, status: exitUsage, names: []string{"--to"}, hint: "--help"},
		{name: "no time", args: get("--jid", "ems", "--timeout", "0s"), status: exitUsage, names: []string{"--timeout 0s"}, hint: "--help"},
		{name: "a watch in too much of a hurry", args: []string{"watch", "--to", "pv1", "--interval", "1ms", ref}, status: exitUsage, names: []string{"--interval 1ms", "100ms"}, hint: "--help"},
		{name: "a watch of less than nothing", args: []string{"watch", "--to", "pv1", "--count", "-1", ref}, status: exitUsage, names: []string{"--count -1"}, hint: "--help"},
		{name: "a watch that is over", args: []string{"watch", "--to", "pv1", "--for", "-1s", ref}, status: exitUsage, names: []string{"--for -1s"}, hint: "--help"},
		{name: "a watch of nothing", args: []string{"watch", "--to", "pv1"}, status: exitUsage, names: []string{"REF"}, hint: "--help"},
		{name: "a process and a simulation", args: []string{"ied", "--jid", "pv1", "--scl", "x.cid", "--sim", "--process", "exec:true"}, status: exitUsage, names: []string{"--sim", "--process"}, hint: "--help"},
		{name: "no such mode", args: get("--jid", "ems", "--e2e", "none"), status: exitUsage, names: []string{`"none"`}, hint: "encr, clear or off"},
		{name: "no such algorithm", args: get("--jid", "ems", "--e2e-algorithms", "aes-256-gcm,rot13"), status: exitUsage, names: []string{`"rot13"`}, hint: "aes-128-gcm"},
		{name: "an algorithm of another mode", args: get("--jid", "ems", "--e2e-algorithms", "hmac-sha256"), status: exitUsage, names: []string{"hmac-sha256", "encr"}, hint: "aes-256-gcm"},
		{name: "an IED of another mode", args: get("--jid", "ems", "--e2e", "clear"), status: exitFailed, names: []string{"clear here and encrypted at pv1@" + domain}, hint: "--e2e encr"},
		{name: "an IED that does not have the algorithm", args: get("--jid", "ems", "--e2e-algorithms", "aes-256-cbc-hmac-sha256"), status: exitFailed, names: []string{"pv1@" + domain, "refused the handshake"}, hint: "--e2e-algorithms"},
		{name: "several clients", args: get(), status: exitFailed, names: []string{"several clients"}, hint: "ems@" + domain + ", guest@" + domain},
		{name: "an account without certificates", args: get("--jid", "nobody"), status: exitFailed, names: []string{"nobody@" + domain}, hint: "pki issue"},
		{name: "a JID of another domain", args: []string{"ls", "--jid", "ems", "--to", "pv1@other.example"}, status: exitFailed, names: []string{"pv1@other.example"}, hint: domain},
		{name: "an address that is none", args: get("--jid", "ems", "--connect", "nonsense"), status: exitUsage, names: []string{"--connect", `"nonsense"`}, hint: "127.0.0.1:5222"},
		{name: "a port that is none", args: get("--jid", "ems", "--connect", "127.0.0.1:http"), status: exitUsage, names: []string{`"127.0.0.1:http"`}, hint: "127.0.0.1:5222"},
		{name: "a host that answers nothing", args: get("--jid", "ems", "--timeout", "200ms", "--connect", silent.Addr().String()), status: exitFailed, names: []string{silent.Addr().String()}, hint: "does not answer"},
		{name: "an IED that is down", args: []string{"ls", "--jid", "ems", "--to", "fdr1"}, status: exitFailed, names: []string{"fdr1@" + domain}, hint: "busbar ied --jid fdr1@" + domain},
		{name: "a folder that is no site", args: get("--site", t.TempDir()), status: exitFailed, names: []string{"busbar.yaml"}, hint: "busbar init"},
		{name: "a broker of another site", prepare: func(t *testing.T, _ folder) {
			copyFile(t, f.path("run", "broker"), other.path("run", "broker"))
		}, args: get("--jid", "ems", "--site", other.dir), status: exitFailed, names: []string{"ems@" + domain, address}, hint: "another site"},
		{name: "the broker's port is taken", args: []string{"broker", "--listen", address}, status: exitFailed, names: []string{address, "in use"}, hint: "--listen"},
		{name: "an address to listen on that is none", args: []string{"broker", "--listen", "5222"}, status: exitUsage, names: []string{`"5222"`}, hint: "127.0.0.1:5222"},
		{name: "the broker is down", prepare: func(t *testing.T, f folder) {
			note := f.path("run", "broker")
			broker.t = t
			broker.stop()
			if err := os.WriteFile(note, []byte(address), 0o600); err != nil { // as if it had been killed
				t.Fatal(err)
			}
		}, args: get("--jid", "ems"), status: exitFailed, names: []string{address, "refused"}, hint: "busbar broker"},
		{name: "no broker is known", prepare: func(t *testing.T, f folder) {
			if err := os.Remove(f.path("run", "broker")); err != nil {
				t.Fatal(err)
			}
		}, args: get("--jid", "ems"), status: exitFailed, names: []string{domain, "SRV"}, hint: "--connect HOST:PORT"},
	} {
		t.Run(m.name, func(t *testing.T) { m.check(t, f) })
	}
}

// Each of these is wrong before anything is sent, in a site of its own where that is broken.
func TestMistakesInAFolder(t *testing.T) {
	site := newFolder(t)
	demo := absolute(t, "../../app/demo/scl/site.scd")
	several := absolute(t, "testdata/several-access-points.scd")
	own := func(elem ...string) func(folder) string {
		return func(f folder) string { return f.path(append([]string{"pki", "ems@" + domain}, elem...)...) }
	}
	ls := []string{"ls", "--jid", "ems", "--to", "pv1", "--connect", "127.0.0.1:1"}
	for _, m := range []mistake{
		{name: "a role that does not exist", args: []string{"pki", "issue", "client", "x", "--role", "KING"}, status: exitUsage, names: []string{`"KING"`, "VIEWER"}, hint: "VIEWER"},
		{name: "to issue for another domain", args: []string{"pki", "issue", "ied", "x@other.example"}, status: exitFailed, names: []string{"x@other.example"}, hint: domain},
		{name: "to issue twice", args: []string{"pki", "issue", "ied", "pv1"}, status: exitFailed, names: []string{"pv1@" + domain}, hint: "--force"},
		{name: "to issue for what is no JID", args: []string{"pki", "issue", "ied", "a b"}, status: exitFailed, names: []string{"localpart"}, hint: "NAME@" + domain},
		{name: "to issue for nobody", args: []string{"pki", "issue"}, status: exitUsage, names: []string{"JID"}, hint: "--help"},
		{name: "to show what is not there", args: []string{"pki", "show", "nothing.crt"}, status: exitFailed, names: []string{"nothing.crt"}, hint: "PEM"},
		{name: "to show what is no certificate", args: []string{"pki", "show", "busbar.yaml"}, status: exitFailed, names: []string{"busbar.yaml"}, hint: "PEM"},
		{name: "init where something is", args: []string{"init", ".", "--domain", domain}, status: exitFailed, names: []string{site.dir}, hint: "does not exist"},
		{name: "init without a domain", args: []string{"init", "x"}, status: exitUsage, names: []string{"--domain"}, hint: "--help"},
		{name: "init with a domain that is none", args: []string{"init", "x", "--domain", "a b"}, status: exitFailed, names: []string{`"a b"`}, hint: "DNS name"},
		{name: "a command that does not exist", args: []string{"frob"}, status: exitUsage, names: []string{`"frob"`}, hint: "busbar --help"},
		{name: "a flag that does not exist", args: []string{"ls", "--frob"}, status: exitUsage, names: []string{"--frob"}, hint: "busbar ls --help"},
		{name: "a number that is none", args: []string{"watch", "--count", "x"}, status: exitUsage, names: []string{`invalid argument "x" for "--count" flag: invalid syntax`}, hint: "busbar watch --help"},
		{name: "a duration that is none", args: []string{"watch", "--for", "x"}, status: exitUsage, names: []string{`invalid argument "x" for "--for" flag: invalid duration`}, hint: "busbar watch --help"},
		{name: "an argument too many", args: []string{"broker", "now"}, status: exitUsage, names: []string{`"now"`}, hint: "busbar broker --help"},
		{name: "an IED without a model", args: []string{"ied", "--jid", "pv1"}, status: exitUsage, names: []string{"--scl"}, hint: "--help"},
		{name: "a model that is not there", args: []string{"ied", "--jid", "pv1", "--scl", "no.icd"}, status: exitFailed, names: []string{"no.icd"}, hint: "--scl"},
		{name: "a model that is none", args: []string{"ied", "--jid", "pv1", "--scl", "busbar.yaml"}, status: exitFailed, names: []string{"busbar.yaml"}, hint: "file"},
		{name: "a model of several IEDs", args: []string{"ied", "--jid", "pv1", "--scl", demo}, status: exitFailed, names: []string{"site.scd", "several IEDs"}, hint: "PV1, BAT1, FDR1, with --ied"},
		{name: "an IED that the model does not have", args: []string{"ied", "--jid", "pv1", "--scl", demo, "--ied", "X"}, status: exitFailed, names: []string{`"X"`}, hint: "PV1, BAT1, FDR1, with --ied"},
		{name: "several access points", args: []string{"ied", "--jid", "pv1", "--scl", several}, status: exitFailed, names: []string{"several-access-points.scd", "IED1"}, hint: "A, B, with --ap"},
		{name: "no client", prepare: func(t *testing.T, f folder) {
			for _, c := range []string{"ems", "guest"} {
				remove(t, f.path("pki", c+"@"+domain))
			}
		}, args: []string{"ls", "--to", "pv1"}, status: exitFailed, names: []string{"no client"}, hint: "pki issue client"},
		{name: "an unknown field in busbar.yaml", prepare: func(t *testing.T, f folder) {
			write(t, f.path("busbar.yaml"), "domain: "+domain+"\nclinet: ems\n")
		}, args: ls, status: exitFailed, names: []string{"busbar.yaml", "line 2", "clinet"}, hint: "client"},
		{name: "a mode in busbar.yaml that does not exist", prepare: func(t *testing.T, f folder) {
			write(t, f.path("busbar.yaml"), "domain: "+domain+"\ne2e: {mode: secret}\n")
		}, args: ls, status: exitFailed, names: []string{"busbar.yaml: e2e", `"secret"`}, hint: "encr, clear or off"},
		{name: "a role in busbar.yaml that does not exist", prepare: func(t *testing.T, f folder) {
			write(t, f.path("busbar.yaml"), "domain: "+domain+"\nunprotected: {roles: {ems: [KING]}}\n")
		}, args: ls, status: exitFailed, names: []string{"busbar.yaml: unprotected: roles", `"KING"`, "VIEWER"}, hint: "account"},
		{name: "a PDU size that is none", prepare: func(t *testing.T, f folder) {
			write(t, f.path("busbar.yaml"), "domain: "+domain+"\nmax_pdu: 10\n")
		}, args: ls, status: exitFailed, names: []string{"busbar.yaml: max_pdu", "8192"}, hint: "65000"},
		{name: "a client in busbar.yaml of another domain", prepare: func(t *testing.T, f folder) {
			write(t, f.path("busbar.yaml"), "domain: "+domain+"\nclient: ems@other.example\n")
		}, args: []string{"ls", "--to", "pv1"}, status: exitFailed, names: []string{"busbar.yaml: client", "ems@other.example"}, hint: domain},
		{name: "a missing certificate", prepare: func(t *testing.T, f folder) { remove(t, own("e2e.crt")(f)) },
			args: ls, status: exitFailed, names: []string{"ems@" + domain, "E2E certificate"}, hint: "pki issue"},
		{name: "a missing root", prepare: func(t *testing.T, f folder) { remove(t, f.path("pki", "e2e", "root.crt")) },
			args: ls, status: exitFailed, names: []string{"E2E", "root.crt"}, hint: "copy of the site"},
		{name: "a key that others may read", prepare: func(t *testing.T, f folder) {
			if err := os.Chmod(own("tls.key")(f), 0o644); err != nil {
				t.Fatal(err)
			}
		}, args: ls, status: exitFailed, names: []string{"tls.key", "0644"}, hint: "nobody else"},
		{name: "somebody else's certificate", prepare: func(t *testing.T, f folder) {
			copyFile(t, f.path("pki", "guest@"+domain, "e2e.crt"), own("e2e.crt")(f))
			copyFile(t, f.path("pki", "guest@"+domain, "e2e.key"), own("e2e.key")(f))
		}, args: ls, status: exitFailed, names: []string{"E2E", "guest@" + domain, "not of ems@" + domain}, hint: "issue"},
		{name: "somebody else's key", prepare: func(t *testing.T, f folder) {
			copyFile(t, f.path("pki", "guest@"+domain, "e2e.key"), own("e2e.key")(f))
		}, args: ls, status: exitFailed, names: []string{"ems@" + domain, "e2e.key"}, hint: "issue"},
		{name: "a certificate of another authority", prepare: func(t *testing.T, f folder) {
			g := newFolder(t)
			for _, file := range []string{"tls.crt", "tls.key"} {
				copyFile(t, g.path("pki", "ems@"+domain, file), own(file)(f))
			}
		}, args: ls, status: exitFailed, names: []string{"ems@" + domain, "TLS", "CA"}, hint: "another site"},
		{name: "an expired certificate", prepare: func(t *testing.T, f folder) { reissue(t, f, -30*time.Minute) },
			args: ls, status: exitFailed, names: []string{"ems@" + domain, "TLS", "expired"}, hint: "pki issue"},
		{name: "a clock that is off", prepare: func(t *testing.T, f folder) { reissue(t, f, 48*time.Hour) },
			args: ls, status: exitFailed, names: []string{"ems@" + domain, "TLS", "not valid before"}, hint: "clocks"},
		{name: "a broker without its key", prepare: func(t *testing.T, f folder) { remove(t, f.path("pki", "broker", "tls.key")) },
			args: []string{"broker", "--listen", "127.0.0.1:0"}, status: exitFailed, names: []string{"tls.key"}, hint: "busbar init"},
		{name: "a broker of another domain", prepare: func(t *testing.T, f folder) {
			write(t, f.path("busbar.yaml"), "domain: other.example\n")
		}, args: []string{"broker", "--listen", "127.0.0.1:0"}, status: exitFailed, names: []string{domain, "other.example"}, hint: ""},
		{name: "an audit folder that cannot be written", prepare: func(t *testing.T, f folder) {
			remove(t, f.path("audit"))
			write(t, f.path("audit"), "")
		}, args: ls, status: exitFailed, names: []string{"audit"}, hint: "write"},
		{name: "issuing without the authority's key", prepare: func(t *testing.T, f folder) { remove(t, f.path("pki", "e2e", "issuing.key")) },
			args: []string{"pki", "issue", "ied", "bat1"}, status: exitFailed, names: []string{"E2E", "issuing.key"}, hint: "where `busbar init` was run"},
	} {
		t.Run(m.name, func(t *testing.T) {
			f := site
			if m.prepare != nil {
				f = folder{t, t.TempDir()}
				if err := os.CopyFS(f.dir, os.DirFS(site.dir)); err != nil {
					t.Fatal(err)
				}
				closeKeys(t, f.dir)
			}
			m.check(t, f)
		})
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// closeKeys gives copied keys the mode that they must have.
func closeKeys(t *testing.T, dir string) {
	t.Helper()
	keys, err := filepath.Glob(filepath.Join(dir, "pki", "*", "*.key"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("no keys in %s: %v", dir, err)
	}
	for _, key := range keys {
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// reissue makes the TLS certificate of ems anew, valid for a minute from now and off.
func reissue(t *testing.T, f folder, off time.Duration) {
	t.Helper()
	ca, err := pki.LoadCA(f.path("pki", "e2m", "issuing.crt"), f.path("pki", "e2m", "issuing.key"))
	if err != nil {
		t.Fatal(err)
	}
	ca.Validity = time.Minute
	ca.Clock = func() time.Time { return time.Now().Add(off) }
	id, err := ca.IssueClientTLS("ems@" + domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Save(f.path("pki", "ems@"+domain, "tls.crt"), f.path("pki", "ems@"+domain, "tls.key")); err != nil {
		t.Fatal(err)
	}
}
