package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// overBoth starts a broker and pv1, which serves MMS over TCP too, and gives where.
func (f folder) overBoth(how string) (address string) {
	f.t.Helper()
	f.broker()
	p := f.start("MMS over TCP at", "ied", "--jid", "pv1", "--scl", absolute(f.t, pvFile), "--listen-mms", "127.0.0.1:0"+how)
	return regexp.MustCompile(`mmss?://[^,]+`).FindString(p.said)
}

// mms writes the section mms of busbar.yaml.
func (f folder) mms(text string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path("busbar.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString("\nmms: " + text + "\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// times are of the moment at which a value was read, or of the start of the IED.
var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z|\d\d:\d\d:\d\d\.\d{3}`)

// The same commands print the same over both mappings.
func TestTheSameIEDOverBothMappings(t *testing.T) {
	f := newFolder(t)
	f.mms("{peers: [{name: ems, certificate: ems@" + domain + ", roles: [ENGINEER]}], anonymous: [VIEWER]}")
	f.must("pki", "issue", "mms", "pv1", "--host", "127.0.0.1")
	address := f.overBoth(",tls")
	for _, args := range [][]string{
		{"ls"},
		{"ls", "-r", "PV1LD0/MMXU1"},
		{"ls", "-r", "--json"},
		{"get", "PV1LD0/MMXU1[MX]", "PV1LD0/LLN0[ST]", "PV1LD0/DGEN1.WMax[SP]"},
		{"get", "--json", "PV1LD0/MMXU1.TotW[MX]", "PV1LD0/LPHD1.PhyNam[DC]"},
		{"set", "PV1LD0/DGEN1.WMax.setMag.f=77"},
	} {
		args := append(args, "--jid", "ems", "--to")
		overXMPP, overTCP := f.must(append(args, "pv1")...), f.must(append(args, address)...)
		if diff := cmp.Diff(times.ReplaceAllString(overXMPP, "TIME"), times.ReplaceAllString(overTCP, "TIME")); diff != "" || overTCP == "" {
			t.Errorf("busbar %q over XMPP and over TCP (-XMPP +TCP):\n%s", args, diff)
		}
	}
	if r := f.run("set", "--jid", "guest", "--to", address, "PV1LD0/DGEN1.WMax.setMag.f=1"); r.status != exitFailed || !strings.Contains(r.stdout, "object-access-denied") {
		t.Errorf("a VIEWER writes over TCP: %+v", r)
	}
	if len(f.events("ied", "mms-peer-taken", `"ems"`, "TLS certificate ems@")) == 0 {
		t.Error("no event says who associated over TCP")
	}
}

// An IED needs neither account nor broker to be served over TCP, and a client needs no site folder to read it.
func TestMMSWithoutABroker(t *testing.T) {
	f := newFolder(t)
	f.mms("{anonymous: [VIEWER]}")
	p := f.start("MMS over TCP at", "ied", "--scl", absolute(t, pvFile), "--listen-mms", "127.0.0.1:0")
	address := regexp.MustCompile(`mms://[^,]+`).FindString(p.said)
	elsewhere := folder{t, t.TempDir()}
	const ref = "PV1LD0/DGEN1.WMax.setMag.f"
	for _, args := range [][]string{{"get", ref}, {"get", "--strict", ref}, {"trace", "get", ref}, {"trace", "--raw", "--json", "get", ref}} {
		if got := elsewhere.must(append(args, "--to", address)...); !strings.Contains(got, "100") {
			t.Errorf("busbar %q prints %s", args, got)
		}
	}
	w := elsewhere.start("", "watch", "--to", address, "--interval", "100ms", ref)
	w.stop()
	if status, said := p.stop(); status != exitDone || said != "" {
		t.Errorf("the IED ends with status %d, and says %q", status, said)
	}
}

func TestMistakesOverTCP(t *testing.T) {
	f := newFolder(t)
	address := f.overBoth("")
	const ref = "PV1LD0/MMXU1.TotW[MX]"
	get := func(args ...string) []string { return append([]string{"get", ref}, args...) }
	for _, m := range []mistake{
		{name: "nobody has a role", args: get("--to", address), status: exitFailed, names: []string{"authentication required"}, hint: "mms: in busbar.yaml"},
		{name: "no such port", args: get("--to", "mms://127.0.0.1:1"), status: exitFailed, names: []string{"127.0.0.1:1", "connection refused"}, hint: "does it serve MMS"},
		{name: "no address", args: get("--to", "mms://"), status: exitUsage, names: []string{"mms://"}, hint: "mms://HOST[:PORT]"},
		{name: "an odd parameter", args: get("--to", address+"?tsle=1"), status: exitUsage, names: []string{"tsle"}, hint: "tsel=0001"},
		{name: "XMPP's flags", args: get("--to", address, "--e2e", "off"), status: exitUsage, names: []string{"--e2e"}, hint: "--help"},
		{name: "no password there", args: get("--to", address, "--password-file", "none"), status: exitFailed, names: []string{"none"}, hint: "only line"},
		{name: "no certificate to listen with", args: []string{"ied", "--jid", "pv1", "--scl", absolute(t, pvFile), "--state", "none", "--listen-mms", "127.0.0.1:0,tls"}, status: exitFailed,
			names: []string{"no certificate for MMS"}, hint: "busbar pki issue mms"},
		{name: "TLS of nobody", args: []string{"ied", "--scl", absolute(t, pvFile), "--listen-mms", "127.0.0.1:0,tls"}, status: exitUsage, names: []string{"--jid"}, hint: "--help"},
		{name: "nowhere to serve", args: []string{"ied", "--scl", absolute(t, pvFile)}, status: exitUsage, names: []string{"--listen-mms"}, hint: "--help"},
		{name: "strict of nothing", args: []string{"ied", "--jid", "pv1", "--scl", absolute(t, pvFile), "--strict"}, status: exitUsage, names: []string{"--strict"}, hint: "--help"},
		{name: "no host", args: []string{"pki", "issue", "mms", "pv1"}, status: exitUsage, names: []string{"--host"}, hint: "--help"},
	} {
		t.Run(m.name, func(t *testing.T) {
			if strings.HasPrefix(m.name, "no certificate to listen") { // which it says after that nobody has a role
				f := folder{t, f.dir}
				if r := f.run(m.args...); r.status != m.status || !strings.Contains(r.stderr, m.names[0]) || !strings.Contains(r.stderr, m.hint) {
					t.Errorf("%+v", r)
				}
				return
			}
			m.check(t, f)
		})
	}
}
