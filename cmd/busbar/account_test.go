package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A client and an IED log in by password, without their TLS certificates; end to end they show theirs.
func TestPasswordsInPlaceOfTLSCertificates(t *testing.T) {
	f := newFolder(t)
	for _, who := range []string{"ems", "pv1"} {
		c := f.command("account", "password", who, "--stdin")
		c.Stdin = strings.NewReader("correct horse battery\n")
		if out, err := c.CombinedOutput(); err != nil || string(out) != who+"@"+domain+": may log in by password\n" {
			t.Fatalf("%v, %s", err, out)
		}
		for _, file := range []string{"tls.crt", "tls.key"} {
			if err := os.Remove(f.path("pki", who+"@"+domain, file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := f.must("account", "list"); got != "ems@"+domain+"\npv1@"+domain+"\n" {
		t.Errorf("account list: %q", got)
	}
	f.broker()
	own := f.path("pki", "pv1@"+domain, "password")
	write(t, own, "correct horse battery")
	if err := os.Chmod(own, 0o600); err != nil {
		t.Fatal(err)
	}
	f.ied()
	given := filepath.Join(t.TempDir(), "secret")
	get := []string{"get", "--jid", "ems", "--to", "pv1", "PV1LD0/MMXU1.TotW.mag.f"}
	for _, tt := range []struct {
		name, password string
		mode           os.FileMode
		status         int
		says           string
	}{
		{"right", "correct horse battery\n", 0o600, exitDone, ""},
		{"wrong", "horse\n", 0o600, exitFailed, "is it this one?"},
		{"open to others", "correct horse battery\n", 0o644, exitFailed, "chmod 600"},
		{"two lines", "correct\nhorse\n", 0o600, exitFailed, "one line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, given, tt.password)
			if err := os.Chmod(given, tt.mode); err != nil {
				t.Fatal(err)
			}
			r := folder{t, f.dir}.run(append(get, "--password-file", given)...)
			if r.status != tt.status || !strings.Contains(r.stderr, tt.says) || strings.Contains(r.stdout, "kW") != (tt.status == exitDone) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.stderr, "horse") {
				t.Errorf("the password is shown: %s", r.stderr)
			}
		})
	}
	if r := f.run(append(get, "-v", "--password-file", "nowhere")...); r.status != exitFailed || !strings.Contains(r.stderr, "nowhere") {
		t.Errorf("no such file: %+v", r)
	}
	if r := f.run(get...); r.status != exitFailed || !strings.Contains(r.stderr, "has no TLS certificate") {
		t.Errorf("without a password: %+v", r)
	}
	if refused := f.events("broker", "x-busbar:password-refused"); len(refused) != 1 {
		t.Errorf("the broker's audit log has %d refused passwords, want 1", len(refused))
	}
	if got := f.must("account", "remove", "ems"); got != "ems@"+domain+": has no password any more\n" {
		t.Errorf("account remove: %q", got)
	}
	for _, file := range []string{"pki/broker/passwords.yaml", "audit/broker.jsonl", "audit/client.jsonl", "audit/ied.jsonl"} {
		text, err := os.ReadFile(f.path(file))
		if err != nil || strings.Contains(string(text), "horse") || strings.Contains(string(text), "ems@"+domain+":") {
			t.Errorf("%s: %v, %s", file, err, text)
		}
	}
}

func TestAccountMistakes(t *testing.T) {
	f := newFolder(t)
	for _, tt := range []struct {
		name   string
		args   []string
		input  string
		status int
		says   string
	}{
		{"no terminal", []string{"account", "password", "ems"}, "horse\n", exitUsage, "--stdin"},
		{"empty", []string{"account", "password", "ems", "--stdin"}, "", exitFailed, "one line"},
		{"endless", []string{"account", "password", "ems", "--stdin"}, strings.Repeat("x", 1<<20), exitFailed, "one line"},
		{"control characters", []string{"account", "password", "ems", "--stdin"}, "a\x07b\n", exitFailed, "printable"},
		{"another domain", []string{"account", "password", "ems@other.example", "--stdin"}, "correct horse battery\n", exitFailed, "this site is"},
		{"nothing to remove", []string{"account", "remove", "ems"}, "", exitFailed, "no account has one"},
		{"short", []string{"account", "password", "ems", "--stdin"}, "horse\n", exitDone, "5 characters can be guessed"},
		{"somebody else's", []string{"account", "remove", "pv1"}, "", exitFailed, "these accounts have one: ems@" + domain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := f.command(tt.args...)
			c.Stdin = strings.NewReader(tt.input)
			out, _ := c.CombinedOutput()
			if c.ProcessState.ExitCode() != tt.status || !strings.Contains(string(out), tt.says) || strings.Contains(string(out), "horse") {
				t.Errorf("status %d, %s; want %d and %q", c.ProcessState.ExitCode(), out, tt.status, tt.says)
			}
		})
	}
	if info, err := os.Stat(f.path("pki", "broker", "passwords.yaml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of verifiers: %v, %v", info.Mode(), err)
	}
	write(t, f.path("pki", "broker", "passwords.yaml"), "accounts: {ems@"+domain+": {salt: '*'}}\n")
	if r := f.run("broker", "--listen", "127.0.0.1:0"); r.status != exitFailed || !strings.Contains(r.stderr, "passwords.yaml") {
		t.Errorf("a file that is damaged: %+v", r)
	}
}
