package main

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// traced runs a command in a locale.
func (f folder) traced(locale string, args ...string) result {
	f.t.Helper()
	f.t.Setenv("LC_ALL", locale)
	return f.run(append([]string{"trace"}, args...)...)
}

func TestTraceShowsWhatACommandDoesAndItsResults(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	for _, c := range []struct {
		name, locale string
		args         []string
		status       int
		want         []string
		stderr       string
	}{
		{"a chart", "en_US.UTF-8", []string{"get", "--jid", "ems", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f"}, exitDone,
			[]string{"ems@plant.example/IEC-", "STARTTLS TLS 1.3", "SASL EXTERNAL", "by E2E issuing CA", "├──────────┼─────────►│  GetDataValues PV1LD0/DGEN1.WMax.setMag.f[SP]",
				"\nPV1LD0/DGEN1.WMax.setMag.f[SP]  100 kW\n", "Summary"}, ""},
		{"in ASCII", "C", []string{"get", "--jid", "ems", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f"}, exitDone,
			[]string{"|-------------------->|  GetDataValues PV1LD0/DGEN1.WMax.setMag.f[SP]", "\nPV1LD0/DGEN1.WMax.setMag.f[SP]  100 kW\n"}, ""},
		{"a listing", "C", []string{"ls", "--jid", "ems", "--to", "pv1"}, exitDone, []string{"GetServerDirectory: 1 name", "\nLD   PV1LD0\n"}, ""},
		{"a write that is refused", "C", []string{"set", "--jid", "guest", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f=80"}, exitFailed,
			[]string{"!! SetDataValues: object-access-denied", "refused: 1 of "}, "  hint: to write it takes a role"},
		{"no such IED", "C", []string{"get", "--jid", "ems", "--to", "guest", "PV1LD0/DGEN1.WMax.setMag.f"}, exitFailed,
			[]string{"!! iq error service-unavailable", "guest@plant.example/IEC cannot be"}, "busbar: guest@plant.example/IEC cannot be reached"},
		{"no broker", "C", []string{"get", "--jid", "ems", "--to", "pv1", "--connect", "127.0.0.1:1", "PV1LD0/DGEN1.WMax.setMag.f"}, exitFailed,
			[]string{"|--------->|          |  TCP to 127.0.0.1:1", "|---------X|          |  !! "}, "connection refused"},
		{"XML too", "C", []string{"--raw", "get", "--jid", "ems", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f"}, exitDone,
			[]string{"<EncrTransfer xmlns=", "<itemId>DGEN1$SP$WMax$setMag$f</itemId>", "which only the two ends can read"}, ""},
		{"nothing to trace", "C", nil, exitUsage, nil, "say which command is to be traced"},
		{"what tells its steps itself", "C", []string{"doctor", "--to", "pv1"}, exitUsage, nil, `"doctor" is not a command that can be traced`},
		{"what is no client", "C", []string{"broker"}, exitUsage, nil, `"broker" is not a command that can be traced`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := folder{t, f.dir}
			r := f.traced(c.locale, c.args...)
			if r.status != c.status || !strings.Contains(r.stderr, c.stderr) || c.stderr == "" && r.stderr != "" {
				t.Errorf("status %d, want %d; stderr %q, want %q in it", r.status, c.status, r.stderr, c.stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("%q is not in\n%s", want, r.stdout)
				}
			}
			if c.locale == "C" && strings.ContainsFunc(r.stdout, func(c rune) bool { return c > '~' }) {
				t.Errorf("it is not ASCII:\n%s", r.stdout)
			}
			if strings.Contains(r.stdout, "\x1b") {
				t.Error("colours are used where there is no terminal")
			}
		})
	}
}

func TestTraceAsJSONHoldsTheResultsOfTheCommand(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	for name, args := range map[string][]string{
		"before": {"--json", "get", "--jid", "ems", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f", "PV1LD0/DGEN1.Nope"},
		"behind": {"get", "--jid", "ems", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f", "PV1LD0/DGEN1.Nope", "--json"},
	} {
		t.Run("--json "+name+" the command", func(t *testing.T) {
			f := folder{t, f.dir}
			r := f.traced("C", args...)
			if r.status != exitFailed {
				t.Errorf("status %d, want %d: %s", r.status, exitFailed, r.stderr)
			}
			var results []reading
			kinds := make(map[string]int)
			for _, e := range lines[struct {
				Event  string
				Result *reading
			}](t, r.stdout) {
				kinds[e.Event]++
				if e.Result != nil {
					results = append(results, *e.Result)
				}
			}
			if len(results) != 2 || results[0].Value != 100. || results[1].Error == nil || results[1].Error.Code != "object-non-existent" {
				t.Errorf("results %+v", results)
			}
			for _, kind := range []string{"begin", "tls", "sasl", "established", "pdu", "ended", "closed", "summary"} {
				if kinds[kind] == 0 {
					t.Errorf("there is no event %s: %v", kind, kinds)
				}
			}
		})
	}
}

func TestTraceShowsNoKey(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	keys, err := filepath.Glob(f.path("pki", "*", "*.key"))
	if err != nil || len(keys) < 8 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, form := range [][]string{{"--raw"}, {"--raw", "--json"}} {
		r := f.traced("C.UTF-8", append(form, "get", "--jid", "ems", "--to", "pv1", "PV1LD0/DGEN1.WMax.setMag.f", "-v")...)
		if r.status != exitDone {
			t.Fatalf("status %d: %s", r.status, r.stderr)
		}
		squeezed := strings.Join(strings.Fields(r.stdout+r.stderr), "")
		for _, file := range keys {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			body := strings.Join(strings.Split(strings.TrimSpace(string(text)), "\n")[1:], "")
			if strings.Contains(squeezed, body[:60]) || bytes.Contains([]byte(squeezed), block.Bytes) {
				t.Errorf("the key in %s is in the trace", file)
			}
		}
	}
}

func TestLocalesWithUTF8(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C.UTF-8"}, true},
		{map[string]string{"LC_CTYPE": "de_DE@euro"}, false},
	} {
		if got := speaksUTF8(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: got %t, want %t", tt.env, got, tt.want)
		}
	}
}
