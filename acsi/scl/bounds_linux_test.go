package scl

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// many is what f gives for each number below n.
func many(n int, f func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

// processorTime is what the process has taken so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A file with very many of something takes a time that grows as the file does. Where each of them is compared with all others, or
// looked at with each server, it would be many times longer.
func TestATimeToCheckGrowsAsTheFileDoes(t *testing.T) {
	n := 40_000
	if RaceEnabled {
		n = 7000 // enough for what is found, and hardly for the time
	}
	top := `<SCL xmlns="` + namespace + `">`
	ln0 := func(within string) string {
		return `<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T">` + within + `</LN0></LDevice>`
	}
	objects := `<LNodeType id="T" lnClass="LLN0">` + many(n, func(i int) string { return fmt.Sprintf(`<DO name="d%d" type="D"/>`, i) }) +
		`</LNodeType><DOType id="D" cdc="SPS"><DA name="stVal" fc="ST" bType="BOOLEAN"/></DOType>`
	chain := func(element, attributes string) string {
		return many(n, func(i int) string {
			return fmt.Sprintf(`<DOType id="D%d" cdc="SPS"><%s name="a" type="D%d" %s/></DOType>`, i, element, i+1, attributes)
		})
	}
	for _, tc := range []struct{ name, text, finding string }{
		{"IEDs", top + many(n, func(i int) string { return fmt.Sprintf(`<IED name="i%d"/>`, i) }) + `</SCL>`, "no IED in it has a server"},
		{"access points", top + `<IED name="I">` + many(n, func(i int) string {
			return fmt.Sprintf(`<AccessPoint name="a%d"><ServerAt apName="b%d"/></AccessPoint>`, i, i)
		}) + `</IED></SCL>`, "there is no server at"},
		{"logical devices", file(many(n, func(i int) string { return fmt.Sprintf(`<LDevice inst="l%d"/>`, i) }), beh), "it has no LLN0"},
		{"data objects", file(oneLN, objects), ""},
		{"instances of objects", file(ln0(many(n, func(i int) string { return fmt.Sprintf(`<DOI name="d%d"/>`, n-1-i) })), objects), ""},
		{"attributes with a count that is none", file(oneLN, `<LNodeType id="T" lnClass="LLN0"><DO name="A" type="D"/></LNodeType><DOType id="D" cdc="X">`+
			many(n, func(i int) string { return fmt.Sprintf(`<DA name="a%d" fc="ST" bType="INT8" count="x"/>`, i) })+`</DOType>`), "neither a number"},
		{"values of types", file(`<LDevice inst="L">`+many(n/2, func(i int) string { return fmt.Sprintf(`<LN lnClass="GGIO" inst="%d" lnType="T"/>`, i) })+`</LDevice>`,
			strings.Replace(beh, `"INT32"/>`, `"INT32">`+strings.Repeat("<Val>1</Val>", n)+`</DA>`, 1)), "more than 1000000 nodes"},
		{"values of an enumeration", file(oneLN, strings.Replace(beh, `bType="INT32"/>`, `bType="Enum" type="E">`+strings.Repeat("<Val>no</Val>", n)+"</DA>", 1)+
			`<EnumType id="E">`+many(n, func(i int) string { return fmt.Sprintf(`<EnumVal ord="%d">n%d</EnumVal>`, i, i) })+`</EnumType>`), "more than 1000 values"},
		{"members of data sets", file(ln0(`<DataSet name="s">`+many(n, func(i int) string {
			return fmt.Sprintf(`<FCDA ldInst="L" lnClass="LLN0" doName="d%d" fc="MX"/>`, n-1-i)
		})+`</DataSet>`), objects), "holds nothing under that functional constraint"},
		{"members of one large object", file(ln0(`<DataSet name="s">`+strings.Repeat(`<FCDA ldInst="L" lnClass="LLN0" doName="A" fc="MX"/>`, n)+`</DataSet>`),
			`<LNodeType id="T" lnClass="LLN0"><DO name="A" type="D"/></LNodeType><DOType id="D" cdc="X">`+
				many(n, func(i int) string { return fmt.Sprintf(`<DA name="a%d" fc="ST" bType="INT8"/>`, i) })+`</DOType>`), "holds nothing under that"},
		{"inputs", file(ln0(`<Inputs>`+many(n, func(i int) string {
			return fmt.Sprintf(`<ExtRef iedName="@" ldInst="L" lnClass="LLN0" doName="d%d" daName="nix"/>`, n-1-i)
		})+`</Inputs>`), objects), `there is no "nix"`},
		{"parts of a substation", top + `<Substation name="S">` + many(n, func(i int) string { return fmt.Sprintf(`<Bay name="b%d"><LNode iedName="I%[1]d"/></Bay>`, i) }) +
			`</Substation></SCL>`, "the file has no IED"},
		{"logs", file(ln0(many(n, func(i int) string {
			return fmt.Sprintf(`<Log name="l%d"/><LogControl name="c%d" logName="x%d"/>`, i, i, i)
		})), beh), "there is no Log"},
		{"data sets and control blocks of them", file(ln0(many(n/10, func(i int) string {
			return fmt.Sprintf(`<DataSet name="s%d"><FCDA lnClass="LLN0" doName="Beh" fc="ST"/></DataSet><ReportControl name="r%[1]d" datSet="s%[1]d"/>`, i)
		})), beh), ""},
		{"clients", file(ln0(`<ReportControl name="r">`+`<RptEnabled>`+strings.Repeat(`<ClientLN iedName="I"/>`, n)+`</RptEnabled></ReportControl>`), beh), "clients"},
		{"types in one another", file(oneLN, `<LNodeType id="T" lnClass="LLN0"><DO name="A" type="D0"/></LNodeType>`+chain("SDO", "")), "in one another"},
		{"IEDs of large types", top + many(n/4, func(i int) string {
			return fmt.Sprintf(`<IED name="i%d"><AccessPoint name="A"><Server>`+oneLN+`</Server></AccessPoint></IED>`, i)
		}) + `<DataTypeTemplates>` + objects + `</DataTypeTemplates></SCL>`, "the servers after it are not checked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := processorTime(t)
			d, err := Parse(strings.NewReader(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			report := d.Check("")
			if took := processorTime(t) - before; took > 20*time.Second {
				t.Errorf("it took %v of the processor", took)
			}
			found := tc.finding == ""
			for _, f := range report.Findings {
				found = found || strings.Contains(f.Msg, tc.finding)
			}
			if !found {
				t.Errorf("nothing says %q, in %d findings such as %v", tc.finding, len(report.Findings), report.Findings[:min(3, len(report.Findings))])
			}
		})
	}
}
