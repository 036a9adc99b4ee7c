package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each command on each kind of object says what it did, refuses what makes no sense, and ends with the status that scripts go by.
func TestCommandsOnEveryKindOfObject(t *testing.T) {
	f := newFolder(t)
	f.broker()
	if err := os.Mkdir(f.path("served"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path("local.txt"), []byte("what is kept\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.must("pki", "issue", "ied", "fdr1")
	f.must("pki", "issue", "client", "both", "--role", "ENGINEER", "--role", "OPERATOR")
	f.start("is on line", "ied", "--jid", "fdr1", "--scl", absolute(t, "../../app/demo/scl/feeder.cid"), "--files", f.path("served"), "--sim")
	for _, test := range []struct {
		line   string
		status int
		want   string // a regular expression on all that is printed
	}{
		{"dataset create LD/LLN0.Mine LD/XCBR1.Pos[ST] LD/MMXU1.Hz[MX]", 0, `LD/LLN0.Mine  made of 2 members`},
		{"dataset create LD/LLN0.Mine LD/XCBR1.Pos[ST]", 1, `LD/LLN0.Mine: object-attribute-inconsistent`},
		{"dataset create @mine LD/XCBR1.Pos[ST]", 2, `would end with this command`},
		{"dataset list LD", 0, `LD/LLN0.Mine +2 members +made by a service`},
		{"dataset show LD/LLN0.Mine", 0, `LD/XCBR1.Pos.stVal\[ST\] +on +good`},
		{"dataset show LD/LLN0.Mine --json", 0, `"ref":"LD/XCBR1.Pos"`},
		{"dataset delete LD/LLN0.Mine", 0, `LD/LLN0.Mine  deleted`},
		{"dataset delete LD/LLN0.Mine", 1, `object-non-existent`},
		{"dataset delete LD/LLN0.Switching", 1, `object-access-denied`},

		{"rcb list LD/LLN0", 0, `LD/LLN0.brcbSwitching01 +BRCB +LD/LLN0\$Switching +dchg,qchg,gi +free`},
		{"rcb set LD/LLN0.urcbMeasurements01 TrgOps=dchg,gi IntgPd=2000", 0, `TrgOps\[RP\] +dchg,gi\n`},
		{"rcb set LD/LLN0.urcbMeasurements01 TrgOps=sometimes", 1, `"sometimes" is none of dchg, qchg`},
		{"rcb set LD/LLN0.urcbMeasurements01 SqNum=3", 1, `object-access-denied`},
		{"rcb show LD/LLN0.urcbMeasurements01", 0, `IntgPd\[RP\] +2000\n`},

		{"sg show LD", 0, `LD/LLN0.SGCB.ActSG\[SP\] +1\n`},
		{"sg edit LD 2 LD/PTOC1.StrVal.setMag.f=420", 0, `1 setting of group 2 changed`},
		{"sg edit LD 9 LD/PTOC1.StrVal.setMag.f=420", 1, `EditSG`},
		{"sg edit LD nine LD/PTOC1.StrVal.setMag.f=420", 2, `no setting group`},
		{"sg activate LD 2", 0, `group 2 is active`},
		{"get LD/PTOC1.StrVal.setMag.f[SG]", 0, `420 A`},
		{"sg activate LD 3", 1, `object-value-invalid`},

		{"operate LD/CSWI1.Pos off", 0, `(?s)sbo-with-enhanced-security\n  select .*  operate .*  terminated .*stVal\[ST\] +off +good`},
		{"operate LD/CSWI1.Pos off", 1, `position-reached\)\n  hint: it is where it should be already`},
		{"operate LD/CSWI1.Pos off --json", 1, `"addCause":"position-reached"`},
		{"operate LD/CSWI1.Pos half", 1, `neither on nor off`},
		{"operate LD/MMXU1.Hz 50", 1, `cannot be operated`},
		{"operate LD/CSWI1.Pos on --check everything", 2, `neither sync nor interlock`},
		{"operate LD/CSWI1.Pos on --at yesterday", 2, `no time in RFC 3339`},
		{"operate LD/CSWI1.Pos on --at 2001-01-01T00:00:00Z", 2, `is over`},
		{"operate LD/CSWI1.Pos on --origin nobody", 2, `is none of bay-control`},

		{"log list", 0, `^LD/LLN0.Events\n`},
		{"log query LD/LLN0.Events", 0, `(?s)Z +[0-9a-f]{16}\n  LD/CSWI1.Pos.*dchg.*entries\n`},
		{"log query LD/LLN0.Events --most 1 --json", 0, `^\{"entry":"[0-9a-f]{16}","time":"`},
		{"log query LD/LLN0.Events --until 2001-01-01T00:00:00Z", 0, `0 entries`},
		{"log query LD/LLN0.Events --after 12", 2, `no entry id`},
		{"log query LD/LLN0.Nothing", 1, `object-non-existent`},

		{"file put local.txt", 0, `^$`},
		{"file ls", 0, `13 +\S+ \S+ +local.txt\n`},
		{"file ls --json", 0, `\{"name":"local.txt","size":13,"modified":"`},
		{"file get local.txt -", 0, `^what is kept\n$`},
		{"file get local.txt copy.txt", 0, `^$`},
		{"file get nothing.txt", 1, `nothing.txt: object-non-existent.*\n  hint: see what there is with busbar file ls`},
		{"file get ../secret", 1, `invalid-address`},
		{"file put served", 1, `is no file`},
		{"file rm local.txt", 0, `^$`},
		{"file rm local.txt", 1, `object-non-existent`},

		{"selftest", 0, `(?s)PASS  sSrv1 .*SKIP  sSrv6 .*it was not to write.* passed, 0 failed, \d+ skipped\n`},
		{"selftest --json", 0, `^\{"case":"sSrv1","title":"GetServerDirectory","outcome":"PASS"`},
	} {
		words := strings.Fields(strings.ReplaceAll(test.line, "LD", "FDR1LD0"))
		r := f.run(append(words, "--jid", "both", "--to", "fdr1")...)
		got := strings.ReplaceAll(anyClock(r.stdout)+r.stderr, "FDR1LD0", "LD")
		if r.status != test.status || !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("busbar %s: status %d, want %d, and %q in\n%s", test.line, r.status, test.status, test.want, got)
		}
	}
	if text, err := os.ReadFile(f.path("copy.txt")); err != nil || string(text) != "what is kept\n" {
		t.Errorf("the copy is %q, %v", text, err)
	}
	for _, line := range []string{"dataset create FDR1LD0/LLN0.X FDR1LD0/XCBR1.Pos[ST]", "operate FDR1LD0/CSWI1.Pos on", "sg activate FDR1LD0 1", "file put local.txt"} {
		r := f.run(append(strings.Fields(line), "--jid", "guest", "--to", "fdr1")...)
		if r.status != exitFailed || !strings.Contains(r.stderr, "object-access-denied") || !strings.Contains(r.stderr, "hint: ") {
			t.Errorf("busbar %s of a VIEWER: status %d\n%s%s", line, r.status, r.stdout, r.stderr)
		}
	}
}
