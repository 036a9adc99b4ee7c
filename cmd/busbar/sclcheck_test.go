package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const soundFile = "../../acsi/scl/testdata/sound.cid"

// variant writes the sound file with one thing replaced, and gives its name.
func variant(t *testing.T, name, old, new string) string {
	t.Helper()
	text, err := os.ReadFile(soundFile)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("the file has no %s", old)
	}
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(text), old, new)), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func sclCheckOf(args ...string) result {
	var stdout, stderr bytes.Buffer
	status := run(context.Background(), append([]string{"scl", "check"}, args...), &stdout, &stderr)
	return result{stdout.String(), stderr.String(), status}
}

const soundServers = `  SND A: 2 LDs, 6 LNs, 11 DOs, 3 SDOs, 37 attributes (ST 24, MX 9, CF 1, DC 1, SG 1, SE 1), 1 data set of 3 members, 1 BRCB, 1 LCB, 1 SGCB, 2 URCBs, snd@dso.example/IEC
  SND B: the server of access point A, 2 LDs, 6 LNs, 11 DOs, 3 SDOs, 37 attributes (ST 24, MX 9, CF 1, DC 1, SG 1, SE 1), 1 data set of 3 members, 1 BRCB, 1 LCB, 1 SGCB, 2 URCBs, snd.b@dso.example/IEC
`

func TestCheckTellsFindingsAndWhatIsServed(t *testing.T) {
	member := `<DA name="vendor" fc="DC" bType="VisString255"/>`
	many := ""
	for i := range 9 {
		many += fmt.Sprintf(`<DA name="a%d" fc="DC" bType="INT7"/>`+"\n", i)
	}
	bad := variant(t, "bad.cid", member, many+member)
	odd := variant(t, "odd.cid", `rptID="two"`, `rptID="one"`)
	absent := filepath.Join(t.TempDir(), "absent.icd")
	bType := func(file string, line, i int) string {
		return fmt.Sprintf("%s:%d: error scl.member.btype <DA name=\"a%d\">: it is left out: the basic type \"INT7\" is not known — correct bType\n", file, line, i)
	}
	odds := odd + `:29: warning scl.report.id <ReportControl name="brcb">: its rptID "one" is that of "urcb" in line 25, too — give each an rptID of its own, or none` + "\n"
	for _, c := range []struct {
		name   string
		args   []string
		stdout string
		status int
	}{
		{"sound", []string{soundFile}, soundFile + ": Edition 2.1 (2007B4), 2 servers, no findings\n" + soundServers, exitDone},
		{"a warning", []string{odd}, odd + ": Edition 2.1 (2007B4), 2 servers, 1 warning\n" + odds + soundServers, exitDone},
		{"many alike", []string{bad}, bad + ": Edition 2.1 (2007B4), 2 servers, 9 errors\n" + bType(bad, 86, 0) + bType(bad, 87, 1) + bType(bad, 88, 2) +
			bad + ": and 6 more like this by scl.member.btype: --all shows them\n" + soundServers, exitFailed},
		{"one of several cannot be read", []string{absent, odd}, absent + ": error scl.file.unreadable: open " + absent +
			": no such file or directory — give the path of an ICD, CID, IID or SCD file\n" +
			odd + ": Edition 2.1 (2007B4), 2 servers, 1 warning\n" + odds + soundServers + "2 files: 1 error, 1 warning\n", exitFailed},
		{"an IED that is not there", []string{"--ied", "NIX", soundFile}, soundFile + ": Edition 2.1 (2007B4), nothing to serve, 1 error\n" +
			soundFile + `: error scl.ied.none: there is no IED "NIX" with a server — choose one of SND` + "\n", exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sclCheckOf(c.args...)
			if diff := cmp.Diff(c.stdout, r.stdout); diff != "" || r.status != c.status || r.stderr != "" {
				t.Errorf("status %d, want %d; stderr %q; stdout (-want +got):\n%s", r.status, c.status, r.stderr, diff)
			}
		})
	}
	if r := sclCheckOf("--all", bad); strings.Count(r.stdout, "scl.member.btype") != 9 || strings.Contains(r.stdout, "more like this") {
		t.Errorf("--all shows\n%s", r.stdout)
	}
	if r := sclCheckOf(); r.status != exitUsage || !strings.Contains(r.stderr, "hint") {
		t.Errorf("without a file: status %d, %q", r.status, r.stderr)
	}
}

func TestCheckReadsStandardInput(t *testing.T) {
	f := folder{t, t.TempDir()}
	text, err := os.ReadFile(soundFile)
	if err != nil {
		t.Fatal(err)
	}
	c := f.command("scl", "check", "-")
	c.Stdin = bytes.NewReader(text)
	out, err := c.Output()
	if want := "standard input: Edition 2.1 (2007B4), 2 servers, no findings\n" + soundServers; err != nil || string(out) != want {
		t.Errorf("%v: got\n%s\nwant\n%s", err, out, want)
	}
}

// Version 1 of the shape: a field that changes its name or meaning makes another version, one that is added does not.
func TestShapeOfCheckInJSON(t *testing.T) {
	odd := variant(t, "odd.cid", `<Val>true</Val>`, `<Val>yes</Val>`)
	r := sclCheckOf("--json", odd)
	leaves := `"leaves":{"CF":1,"DC":1,"MX":9,"SE":1,"SG":1,"ST":24},"dataSets":1,"members":3,"blocks":{"BRCB":1,"LCB":1,"SGCB":1,"URCB":2}`
	want := `{"kind":"file","version":1,"file":"FILE","edition":"Edition 2.1 (2007B4)","errors":1,"warnings":0,"infos":0}
{"kind":"finding","file":"FILE","line":36,"severity":"error","rule":"scl.value.form","ied":"SND","element":"SNDLD0/GGIO1.Ind1.stVal","message":"the value is left out: \"yes\" is neither true nor false","hint":"correct the value"}
{"kind":"server","file":"FILE","ied":"SND","ap":"A","jids":["snd@dso.example/IEC"],"lds":2,"lns":6,"dos":11,"sdos":3,` + leaves + `}
{"kind":"server","file":"FILE","ied":"SND","ap":"B","serverAt":"A","jids":["snd.b@dso.example/IEC"],"lds":2,"lns":6,"dos":11,"sdos":3,` + leaves + `}
`
	if diff := cmp.Diff(strings.ReplaceAll(want, "FILE", odd), r.stdout); diff != "" || r.status != exitFailed {
		t.Errorf("status %d (-want +got):\n%s", r.status, diff)
	}
	r = sclCheckOf("--json", filepath.Join(t.TempDir(), "absent"))
	if kinds := lines[struct{ Kind string }](t, r.stdout); r.status != exitFailed || len(kinds) != 2 || kinds[1].Kind != "finding" {
		t.Errorf("of a file that is not there: status %d\n%s", r.status, r.stdout)
	}
}

func TestExtractWritesOneIED(t *testing.T) {
	extract := func(args ...string) result {
		var stdout, stderr bytes.Buffer
		status := run(context.Background(), append([]string{"scl", "extract"}, args...), &stdout, &stderr)
		return result{stdout.String(), stderr.String(), status}
	}
	two := variant(t, "two.scd", `  <DataTypeTemplates>`, `  <IED name="OTH"/>`+"\n"+`  <DataTypeTemplates>`)
	want, err := os.ReadFile(soundFile)
	if err != nil {
		t.Fatal(err)
	}
	if r := extract(two, "--ied", "SND"); r.status != exitDone || r.stdout != string(want) {
		t.Errorf("status %d (-want +got):\n%s", r.status, cmp.Diff(string(want), r.stdout))
	}
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{two}, exitUsage, "--ied NAME"},
		{[]string{two, "--ied", "NIX"}, exitFailed, "choose one of SND, OTH"},
		{[]string{filepath.Join(t.TempDir(), "absent"), "--ied", "NIX"}, exitFailed, "hint: give the path"},
	} {
		if r := extract(c.args...); r.status != c.status || r.stdout != "" || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("%q: status %d, want %d; %q, %q", c.args, r.status, c.status, r.stdout, r.stderr)
		}
	}
}

func TestIEDTellsItsFindingsWithoutAFlood(t *testing.T) {
	many := ""
	for i := range 25 {
		many += fmt.Sprintf(`<DA name="a%d" fc="DC" bType="INT7"/>`, i)
	}
	member := `<DA name="vendor" fc="DC" bType="VisString255"/>`
	file := variant(t, "bad.cid", member, many+member)
	f := newFolder(t)
	f.broker()
	if p := f.start("busbar scl check", "ied", "--jid", "pv1", "--scl", file, "--ap", "A"); p.said != file+": and 15 findings: see `busbar scl check`\n" {
		t.Errorf("it says %q", p.said)
	}
}
