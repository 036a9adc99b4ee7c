package main

import (
	"fmt"
	"strings"
	"testing"
)

var modes = []string{"encr", "clear", "off"}

// Each mode between processes: what is readable at the broker is another test's; here it is who gets an answer, and
// what is said to whom it does not.
func TestEndToEndModesBetweenProcesses(t *testing.T) {
	f := newFolder(t)
	write(t, f.path("busbar.yaml"), "domain: "+domain+"\nunprotected: {roles: {ems: [VIEWER]}}\n")
	f.broker()
	const off = "busbar: end-to-end security is off: whoever runs a server on the way can read and alter everything\n"
	words := map[string]string{"encr": "encrypted", "clear": "clear", "off": "off"}
	for _, ied := range modes {
		f.must("pki", "issue", "ied", ied)
		f.start("is on line", "ied", "--jid", ied, "--scl", absolute(t, pvFile), "--e2e", ied)
		for _, own := range modes {
			t.Run(fmt.Sprintf("%s to %s", own, ied), func(t *testing.T) {
				f := folder{t, f.dir}
				r := f.run("get", "--jid", "ems", "--to", ied, "--e2e", own, "PV1LD0/MMXU1.TotW.mag.f")
				said, warned := strings.CutPrefix(r.stderr, off)
				if warned != (own == "off") {
					t.Errorf("it warns that end-to-end security is off: %v\n%s", warned, r.stderr)
				}
				if own == ied {
					if r.status != exitDone || !strings.Contains(r.stdout, "kW") || said != "" {
						t.Errorf("%+v", r)
					}
					return
				}
				want := fmt.Sprintf("end-to-end security is %s here and %s at %s@%s/IEC", words[own], words[ied], ied, domain)
				if r.status != exitFailed || r.stdout != "" || !strings.Contains(said, want) || !strings.Contains(said, "\n  hint: give --e2e "+ied) {
					t.Errorf("%+v\nwant status %d and %q", r, exitFailed, want)
				}
			})
		}
	}
	if refused := f.events("ied", "x-busbar:E8"); len(refused) == 0 {
		t.Error("the audit log of the IEDs has no refusal of another mode")
	}
}

func TestBusbarYAMLChoosesTheMode(t *testing.T) {
	f := newFolder(t)
	write(t, f.path("busbar.yaml"), "domain: "+domain+"\ne2e: {mode: clear, algorithms: [aes-128-gmac]}\n")
	f.broker()
	f.ied()
	get := []string{"get", "--jid", "ems", "--to", "pv1", "-v", "PV1LD0/MMXU1.TotW.mag.f"}
	if r := f.run(get...); r.status != exitDone || !strings.Contains(r.stderr, "AES-128-GMAC") {
		t.Errorf("as busbar.yaml says: %+v, want AES-128-GMAC", r)
	}
	if r := f.run(append(get, "--e2e", "encr")...); r.status != exitFailed || !strings.Contains(r.stderr, "encrypted here and clear at pv1@"+domain) {
		t.Errorf("--e2e before busbar.yaml: %+v", r)
	}
}
