package main

import (
	"archive/tar"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listed is one line of ls --json.
type listed struct {
	Ref, Kind, FC, CDC, Type string
	Count                    int
}

func lines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in line %s", err, line)
		}
		all = append(all, v)
	}
	return all
}

// testTree lists and reads all that an IED has, against the SCL file as encoding/xml reads it.
func testTree(t *testing.T, f folder, ied, file string) {
	want := leavesOf(t, file)
	kinds := make(map[string]int)
	got := make(map[string]bool)
	var groups []string // LN[FC] and DO[FC]
	seen := make(map[string]bool)
	for _, o := range lines[listed](t, f.must("ls", "--jid", "ems", "--to", ied, "-r", "--json")) {
		kinds[o.Kind]++
		if slices.Contains([]string{"BR", "RP", "LG", "GO", "MS", "US"}, o.FC) || strings.Contains(o.Ref, ".SGCB.") {
			continue // control blocks are in no type
		}
		if o.FC == "" || o.Type == "structure" || o.Type == "array" && want.leaves[o.Ref+"["+o.FC+"]"] == false {
			continue
		}
		got[o.Ref+"["+o.FC+"]"] = true
		parts := strings.SplitN(o.Ref, ".", 3)
		for _, above := range []string{parts[0], parts[0] + "." + parts[1]} {
			if group := above + "[" + o.FC + "]"; o.FC != "CO" && !seen[group] {
				seen[group] = true
				groups = append(groups, group)
			}
		}
	}
	if kinds["LD"] != want.lds || kinds["LN"] != want.lns {
		t.Errorf("listed %d logical devices and %d logical nodes, the file has %d and %d", kinds["LD"], kinds["LN"], want.lds, want.lns)
	}
	if diff := cmp.Diff(want.leaves, got); diff != "" {
		t.Errorf("leaves of %s (-file +listed):\n%s", file, diff)
	}
	var refs []string
	for ref := range want.leaves {
		if !strings.HasSuffix(ref, "[CO]") { // written by control services, and read by none
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	for what, refs := range map[string][]string{"leaf": refs, "data object or logical node": groups} {
		if len(refs) == 0 {
			t.Errorf("there is no %s to read", what)
		}
		r := f.run(append([]string{"get", "--jid", "ems", "--to", ied, "--json"}, refs...)...)
		if r.status != exitDone {
			t.Errorf("reading every %s ends with status %d: %s", what, r.status, r.stderr)
		}
		readings := lines[reading](t, r.stdout)
		if len(readings) != len(refs) {
			t.Errorf("%d results for %d references", len(readings), len(refs))
		}
		for i, r := range readings {
			if r.Error != nil || r.Value == nil || r.Ref+"["+r.FC+"]" != refs[i] {
				t.Errorf("read of %s: %+v", refs[i], r)
			}
		}
	}
}

// reading is one line of get --json.
type reading struct {
	Ref, FC, Type string
	Value         any
	Quality       *struct{ Validity string }
	Time          string
	Error         *struct{ Layer, Code, Text, Hint string }
}

// Conformance: sCnf2, sSrv1, sSrv2, sSrv3, sSrv4.
func TestEveryPartOfAThirdPartyModelIsListedAndRead(t *testing.T) {
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = "../../../shared/scl" // beside the project's folder
	}
	file := filepath.Join(dir, "Pampus.icd")
	if _, err := os.Stat(file); err != nil {
		t.Skipf("SKIP %v: BUSBAR_SCL names the folder of third-party SCL files", err)
	}
	f := newFolder(t)
	f.broker()
	f.start("is on line", "ied", "--jid", "pv1", "--scl", absolute(t, file))
	testTree(t, f, "pv1", file)
}

// Conformance: sCnf2, sSrv1, sSrv2, sSrv3, sSrv4.
func TestEveryPartOfADemoModelIsListedAndRead(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	testTree(t, f, "pv1@"+domain, pvFile)
}

func TestTablesForPeople(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	clock := regexp.MustCompile(`\d\d:\d\d:\d\d\.\d\d\d`)
	for _, c := range []struct {
		name           string
		args           []string
		stdout, stderr string
		status         int
	}{
		{"list the devices", []string{"ls"}, "LD   PV1LD0\n", "", exitDone},
		{"list one level", []string{"ls", "PV1LD0/DGEN1.WMax"}, `DA   PV1LD0/DGEN1.WMax.setMag[SP]  structure
DA   PV1LD0/DGEN1.WMax.units[CF]   structure
DA   PV1LD0/DGEN1.WMax.minVal[CF]  structure
DA   PV1LD0/DGEN1.WMax.maxVal[CF]  structure
DA   PV1LD0/DGEN1.WMax.d[DC]       visible-string
`, "", exitDone},
		{"list an array", []string{"ls", "PV1LD0/DVVR1.VVArCrv[SP]"}, `DA   PV1LD0/DVVR1.VVArCrv.numPts[SP]  unsigned
DA   PV1LD0/DVVR1.VVArCrv.crvPts[SP]  array of 4 structure
`, "", exitDone},
		{"read a measurand, in the MMS spelling too", []string{"get", "PV1LD0/MMXU1.TotW[MX]", "PV1LD0/MMXU1$MX$TotW$mag$f"},
			`PV1LD0/MMXU1.TotW.mag.f[MX]  61.4 kW  good  HH:MM:SS.sss
PV1LD0/MMXU1.TotW.mag.f[MX]  61.4 kW  good  HH:MM:SS.sss
`, "", exitDone},
		{"one of two does not exist", []string{"get", "PV1LD0/NOPE1.A", "PV1LD0/DGEN1.WMax.setMag"},
			`PV1LD0/NOPE1.A                  error: object-non-existent: PV1LD0 has no logical node NOPE1: choose from DECP1, DGEN1, DPMC1, DPVC1, DVVR1, DWMX1, FSCC1, FSCH1, FSCH2, LLN0, LPHD1, LTRK1, …
PV1LD0/DGEN1.WMax.setMag.f[SP]  100 kW
`, "  hint: list what there is with ls\n", exitFailed},
		{"several functional constraints fit", []string{"get", "PV1LD0/DGEN1.WMax"},
			"PV1LD0/DGEN1.WMax  error: PV1LD0/DGEN1.WMax is ambiguous: choose one of PV1LD0/DGEN1.WMax[SP], PV1LD0/DGEN1.WMax[CF], PV1LD0/DGEN1.WMax[DC]\n",
			"  hint: add the functional constraint, for example PV1LD0/DGEN1.WMax[SP]\n", exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := folder{t, f.dir}
			r := f.run(append(c.args, "--jid", "ems", "--to", "pv1", "--utc")...)
			r.stdout = anyClock(clock.ReplaceAllString(r.stdout, "HH:MM:SS.sss"))
			if diff := cmp.Diff(result{c.stdout, c.stderr, c.status}, r, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("busbar %q (-want +got):\n%s", c.args, diff)
			}
		})
	}
}

// Version 1 of the shape: a field that changes its name or meaning makes another version, one that is added does not.
func TestJSONLinesKeepTheShapeOfVersion1(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	text := regexp.MustCompile(`"text":"[^"]+"`) // for people
	instant := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z`)
	for _, c := range []struct {
		name   string
		args   []string
		want   string
		status int
	}{
		{"get a structure", []string{"get", "--jid", "ems", "PV1LD0/MMXU1.TotW[MX]"},
			`{"ref":"PV1LD0/MMXU1.TotW","fc":"MX","type":"structure","value":{"mag":{"f":61.4},"q":{"validity":"good","detail":[]},"t":"TIME"},"unit":"kW","quality":{"validity":"good","detail":[]},"time":"TIME"}`, exitDone},
		{"get an enumeration", []string{"get", "--jid", "ems", "PV1LD0/DWMX1.Beh.stVal"},
			`{"ref":"PV1LD0/DWMX1.Beh.stVal","fc":"ST","type":"integer","value":"off","quality":{"validity":"good","detail":[]},"time":"TIME"}`, exitDone},
		{"get what is not there", []string{"get", "--jid", "ems", "PV1LD0/DGEN1.Nope"},
			`{"ref":"PV1LD0/DGEN1.Nope","error":{"layer":"acsi","code":"object-non-existent","text":"TEXT","hint":"list what there is with ls"}}`, exitFailed},
		{"set", []string{"set", "--jid", "ems", "PV1LD0/DGEN1.WMax.setMag.f=80"},
			`{"ref":"PV1LD0/DGEN1.WMax.setMag.f","fc":"SP","type":"float32","value":80}`, exitDone},
		{"set that is denied", []string{"set", "--jid", "guest", "PV1LD0/DGEN1.WMax.setMag.f=80"},
			`{"ref":"PV1LD0/DGEN1.WMax.setMag.f","fc":"SP","type":"float32","error":{"layer":"acsi","code":"object-access-denied","hint":"to write it takes a role with the right CONFIG, such as ENGINEER, for this logical device; some attributes are read only"}}`, exitFailed},
		{"ls a logical device", []string{"ls", "--jid", "ems"}, `{"ref":"PV1LD0","kind":"LD"}`, exitDone},
		{"ls attributes", []string{"ls", "--jid", "ems", "PV1LD0/DGEN1.WMax.setMag"},
			`{"ref":"PV1LD0/DGEN1.WMax.setMag.f","kind":"BDA","fc":"SP","type":"float32"}`, exitDone},
		{"ls what is not there", []string{"ls", "--jid", "ems", "NOPE"},
			`{"ref":"NOPE","error":{"layer":"acsi","code":"object-non-existent","text":"TEXT","hint":"list what there is with ls"}}`, exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := folder{t, f.dir}
			r := f.run(append(c.args, "--to", "pv1", "--json")...)
			got := text.ReplaceAllString(instant.ReplaceAllString(anyClock(r.stdout), "TIME"), `"text":"TEXT"`)
			if diff := cmp.Diff(c.want+"\n", got); diff != "" || r.status != c.status {
				t.Errorf("busbar %q: status %d, want %d (-want +got):\n%s%s", c.args, r.status, c.status, diff, r.stderr)
			}
		})
	}
}

func TestAnEngineerWritesAndAViewerDoesNot(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	const limit, text = "PV1LD0/DGEN1.WMax.setMag.f", "PV1LD0/DGEN1.WMax.d"
	f.must("set", "--jid", "ems", "--to", "pv1", limit+"=80", text+"=for the night")
	read := func() []any {
		var values []any
		for _, r := range lines[reading](t, f.must("get", "--jid", "guest", "--to", "pv1", "--json", limit, text)) {
			values = append(values, r.Value)
		}
		return values
	}
	want := []any{80., "for the night"}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("read after an engineer's write (-want +got):\n%s", diff)
	}
	r := f.run("set", "--jid", "guest", "--to", "pv1", "--json", limit+"=1", text+"=mine")
	got := lines[reading](t, r.stdout)
	if len(got) != 2 || r.status != exitFailed {
		t.Fatalf("a viewer's write of two ends with status %d, %d results: %+v", r.status, len(got), r)
	}
	for _, one := range got {
		if one.Error == nil || one.Error.Code != "object-access-denied" {
			t.Errorf("a viewer's write of %s: %+v, want object-access-denied", one.Ref, one)
		}
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("read after a viewer's write (-want +got):\n%s", diff)
	}
	if denied := f.events("ied", `"guest@`+domain, "access denied", limit, text); len(denied) != 1 {
		t.Errorf("the IED's audit log has %d denials to guest, want 1: %q", len(denied), denied)
	}
	// A measurand is nobody's to write; what stands beside it is written all the same.
	r = f.run("set", "--jid", "ems", "--to", "pv1", "PV1LD0/MMXU1.TotW.mag.f=1", limit+"=70")
	if r.status != exitFailed || !strings.Contains(r.stdout, "object-access-denied") || !strings.Contains(r.stdout, limit+"[SP]") {
		t.Errorf("a write of which one half is denied: %+v", r)
	}
	if got := read()[0]; got != 70. {
		t.Errorf("the other half: %v, want 70", got)
	}
}

func TestTwoClientsUseOneJIDAtOnce(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	var running sync.WaitGroup
	results := make([]result, 4)
	for i := range results {
		running.Go(func() { results[i] = f.run("ls", "--jid", "ems", "--to", "pv1", "-r") })
	}
	running.Wait()
	for _, r := range results {
		if r.status != exitDone || r.stdout != results[0].stdout {
			t.Errorf("status %d, %d octets, want 0 and %d: %s", r.status, len(r.stdout), len(results[0].stdout), r.stderr)
		}
	}
	if conflicts := f.events("broker", "conflict"); len(conflicts) > 0 {
		t.Errorf("streams were replaced: %q", conflicts)
	}
}

func TestServersEndCleanlyOnSIGTERM(t *testing.T) {
	f := newFolder(t)
	broker, address := f.broker()
	ied := f.ied()
	noted, err := os.ReadFile(f.path("run", "broker"))
	if err != nil || strings.TrimSpace(string(noted)) != address {
		t.Errorf("run/broker holds %q, %v; the broker says %s", noted, err, address)
	}
	if status, said := ied.stop(); status != exitDone || said != "" {
		t.Errorf("ied: status %d, said %q", status, said)
	}
	f.start("is on line", "ied", "--jid", "pv1", "--scl", absolute(t, pvFile)) // is there when the broker ends
	if status, said := broker.stop(); status != exitDone {
		t.Errorf("broker: status %d, said %q", status, said)
	}
	if _, err := os.Stat(f.path("run", "broker")); !os.IsNotExist(err) {
		t.Errorf("run/broker is left behind: %v", err)
	}
}

// Two processes with one address do not take it from each other in turn; one that has lost its broker waits for it.
func TestAnIEDSaysWhyItsSessionEnds(t *testing.T) {
	f := newFolder(t)
	broker, _ := f.broker()
	ended := func(p *process, cause, hint string) {
		t.Helper()
		<-p.ended
		p.cmd.Wait()
		if status, said := p.stop(); status != exitFailed || !strings.Contains(said, cause) || !strings.Contains(said, "  hint: "+hint) {
			t.Errorf("status %d, said %q; want %q with the hint %q", status, said, cause, hint)
		}
	}
	first := f.ied()
	second := f.ied("--state", "none") // that of the first is in use
	ended(first, "pv1@"+domain+"/IEC: the XMPP session has ended: xmpp: stream error from the peer: conflict", "another process")
	if replaced := f.events("broker", "pv1@"+domain, "replaced"); len(replaced) != 1 {
		t.Errorf("the broker's audit log has %d replaced streams, want 1: %q", len(replaced), replaced)
	}
	broker.stop()
	if status, said := second.stop(); status != exitDone || strings.Contains(said, "conflict") {
		t.Errorf("an IED without a broker: status %d, said %q; want that it waits for one", status, said)
	}
}

// Neither a CA's key nor another party's is needed anywhere but where certificates are issued.
func TestAPartyRunsElsewhereWithItsOwnKeysOnly(t *testing.T) {
	f := newFolder(t)
	elsewhere := func(party string, want ...string) folder {
		t.Helper()
		g := folder{t, filepath.Join(t.TempDir(), "copy")}
		f.must("pki", "bundle", party, g.dir)
		var got []string
		err := filepath.WalkDir(g.dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				rel, _ := filepath.Rel(g.dir, name)
				info, _ := d.Info()
				if mode := info.Mode().Perm(); filepath.Ext(name) == ".key" && mode != 0o600 {
					t.Errorf("%s has the mode %v", rel, mode)
				}
				got = append(got, filepath.ToSlash(rel))
			}
			return err
		})
		want = append(want, "busbar.yaml")
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("the copy for %s (-want +got), %v:\n%s", party, err, diff)
		}
		return g
	}
	e2m := []string{"pki/e2m/root.crt", "pki/e2m-root.crl", "pki/e2m-issuing.crl"}
	both := append([]string{"pki/e2e/root.crt", "pki/e2e-root.crl", "pki/e2e-issuing.crl"}, e2m...)
	own := func(party string) []string {
		p := "pki/" + party + "/"
		return append([]string{p + "tls.crt", p + "tls.key", p + "e2e.crt", p + "e2e.key"}, both...)
	}
	_, address := elsewhere("broker", append([]string{"pki/broker/tls.crt", "pki/broker/tls.key"}, e2m...)...).broker()
	elsewhere("pv1", own("pv1@"+domain)...).start("is on line", "ied", "--jid", "pv1", "--scl", absolute(t, pvFile), "--connect", address)
	client := elsewhere("guest@"+domain, own("guest@"+domain)...) // the only client there, so --jid need not be given
	got := client.must("get", "--to", "pv1", "--connect", address, "PV1LD0/DGEN1.WMax.setMag.f")
	if want := "PV1LD0/DGEN1.WMax.setMag.f[SP]  100 kW\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r := client.run("pki", "issue", "client", "mallory", "--role", "SECADM")
	if r.status != exitFailed || !strings.Contains(r.stderr, "does not hold the key") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("issuing without the CA's key: %+v", r)
	}
}

// TestBundle: what else may be asked of it.
func TestBundle(t *testing.T) {
	f := newFolder(t)
	password := f.command("account", "password", "guest", "--stdin")
	password.Stdin = strings.NewReader("correct horse battery staple\n")
	if out, err := password.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := f.run("pki", "bundle", "broker", "-")
	if r.status != exitDone {
		t.Fatalf("a tar archive: %+v", r)
	}
	archive, got := tar.NewReader(strings.NewReader(r.stdout)), map[string]string{}
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = h.FileInfo().Mode().String()
	}
	want := map[string]string{"broker/": "drwx------", "broker/audit/": "drwx------", "broker/run/": "drwx------", "broker/scl/": "drwx------", "broker/state/": "drwx------",
		"broker/pki/": "drwx------", "broker/pki/broker/": "drwx------", "broker/pki/e2m/": "drwx------", "broker/busbar.yaml": "-rw-r--r--",
		"broker/pki/broker/tls.crt": "-rw-r--r--", "broker/pki/broker/tls.key": "-rw-------", "broker/pki/broker/passwords.yaml": "-rw-------",
		"broker/pki/e2m/root.crt": "-rw-r--r--", "broker/pki/e2m-root.crl": "-rw-r--r--", "broker/pki/e2m-issuing.crl": "-rw-r--r--"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the archive of the broker (-want +got):\n%s", diff)
	}
	elsewhere := filepath.Join(t.TempDir(), "root.crt")
	copyFile(t, f.path("pki", "e2e", "root.crt"), elsewhere)
	f.append("trust: {e2e: {roots: [pki/e2e/root.crt, " + elsewhere + "]}}\n")
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"a root elsewhere", []string{"pv1", t.TempDir()}, exitDone, "not in the copy, since it is not in the site folder: " + elsewhere},
		{"no connect", []string{"pv1", t.TempDir()}, exitDone, "does not say where the broker is"},
		{"a folder that holds something", []string{"pv1", f.dir}, exitFailed, "is not empty"},
		{"nobody", []string{"nobody", t.TempDir()}, exitFailed, "nobody@" + domain + " has no keys"},
		{"a way out", []string{"../e2e", t.TempDir()}, exitFailed, "hint: "},
		{"another domain", []string{"pv1@other.example", t.TempDir()}, exitFailed, "is not of this site's domain"},
		{"no folder", []string{"pv1"}, exitUsage, "DIR"},
	} {
		if r := f.run(append([]string{"pki", "bundle"}, tt.args...)...); r.status != tt.status || !strings.Contains(r.stderr, tt.stderr) {
			t.Errorf("%s: %+v, want status %d and %q", tt.name, r, tt.status, tt.stderr)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	mode := fs.FileMode(0o644)
	if filepath.Ext(from) == ".key" {
		mode = 0o600
	}
	if err := os.WriteFile(to, text, mode); err != nil {
		t.Fatal(err)
	}
}
