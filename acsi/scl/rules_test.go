package scl

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sound is a file without findings.
func sound(t testing.TB) string {
	text, err := os.ReadFile(filepath.Join("testdata", "sound.cid"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// check is what Parse or else Check finds.
func check(text, ied string) []Finding {
	d, err := Parse(strings.NewReader(text))
	if refused, ok := errors.AsType[*Error](err); ok {
		return []Finding{refused.Finding()}
	}
	return d.Check(ied).Findings
}

// Each case breaks the sound file in one place. There is one finding, by the rule, in the line where the file was broken
// or, where another is given, in the line that starts so.
func TestEveryRuleFindsWhatItIsFor(t *testing.T) {
	long := strings.Repeat("x", 60)
	ln := `<LN lnClass="GGIO" inst="1" lnType="GGIO_1">`
	ind := `<DO name="Ind1" type="SPS_1"/>`
	proxy := `<DO name="Proxy" type="SPS_1"/>`
	da := `<DA name="stVal" fc="ST" bType="BOOLEAN"/>`
	for _, tc := range []struct {
		rule, name, old, new, line string
		message                    string
	}{
		{"scl.file.kind", "another file", `<SCL xmlns="http://www.iec.ch/61850/2003/SCL"`, `<SCL xmlns="urn:x"`, "", "this is no SCL file"},
		{"scl.xml.malformed", "a tag that is not closed", "</LNodeType>\n    <LNodeType id=\"GGIO_1\"", "\n    <LNodeType id=\"GGIO_1\"", "  </DataTypeTemplates>", "not well-formed XML"},
		{"scl.xml.doctype", "document type", "<SCL", "<!DOCTYPE SCL>\n<SCL", "", "document type declaration"},
		{"scl.xml.limit", "deep nesting", "sound\"/>", "sound\"/>" + strings.Repeat("<a>", largest.depth), "", "nested deeper than 100"},
		{"scl.xml.encoding", "ISO 8859-1", `encoding="UTF-8"`, `encoding="ISO-8859-1"`, "", "it is ISO-8859-1"},
		{"scl.xml.namespace", "none", ` xmlns="http://www.iec.ch/61850/2003/SCL"`, "", "<SCL", `its namespace is ""`},
		{"scl.xml.namespace", "a draft's", `61850/2003/SCL"`, `61850/2006/SCL"`, "", "2006/SCL"},
		{"scl.file.version", "none that is known", `version="2007"`, `version="2033"`, "", `"2033B4" is not known`},
		{"scl.file.foreign", "an element of a vendor", `<Header id="sound"/>`, `<Header id="sound"/><x:a xmlns:x="urn:x"><x:b/></x:a>`, "", `1 of "urn:x"`},
		{"scl.file.private", "two elements", `<Header id="sound"/>`, `<Private type="p"><Private type="p"/></Private><Private type="p"/>`, "", `2 of "p"`},
		{"scl.file.no-server", "no server", "Server>", "Services>", "", "no IED in it has a server"},
		{"scl.ied.duplicate", "IEDs", `<DataTypeTemplates>`, `<IED name="SND"/><DataTypeTemplates>`, "", "another is in line 15"},
		{"scl.ied.duplicate", "access points", `<AccessPoint name="B">`, `<AccessPoint name="A"/><AccessPoint name="B">`, "", "another is in line 16"},
		{"scl.ap.server-at", "no such access point", `<ServerAt apName="A"/>`, `<ServerAt apName="C"/>`, "", `no server at "C"`},
		{"scl.comm.access-point", "no such IED", `apName="B">`, `apName="C">`, "      <ConnectedAP iedName=\"SND\" apName=\"C\"", "no such access point"},
		{"scl.comm.jid", "no domain", "snd.b@dso.example/IEC", "snd.b", "", `"snd.b" is no JID`},
		{"scl.comm.jid-duplicate", "of two", "snd.b@dso.example/IEC", "snd@dso.example/IEC", "", `in line 7, too`},
		{"scl.comm.jid-resource", "none", "snd.b@dso.example/IEC", "snd.b@dso.example", "", `resource of "snd.b@dso.example" is ""`},

		{"scl.comm.ip-duplicate", "of two IEDs", `<P type="JID">snd.b@dso.example/IEC</P>`, `<P type="IP">10.0.0.1</P></Address></ConnectedAP><ConnectedAP iedName="OTH" apName="A"><Address><P type="IP">10.0.0.1</P>`, "", `"10.0.0.1" is the address of "SND" in line`},
		{"scl.comm.control-block", "of a GSE", `<P type="JID">snd.b@dso.example/IEC</P></Address>`, `</Address><GSE ldInst="LD0" cbName="go"/>`, "", `no such GSEControl in "LD0"`},
		{"scl.comm.control-block", "of an SMV that is a GSE's", `<P type="JID">snd.b@dso.example/IEC</P></Address>`, `</Address><SMV ldInst="LD0" cbName="urcb"/>`, "", `no such SampledValueControl`},
		{"scl.process.ied", "none", `<Communication>`, `<Substation name="S"><LNode iedName="NIX" ldInst="LD0" lnClass="LLN0"/></Substation><Communication>`, "", `no IED "NIX"`},
		{"scl.process.lnode", "no such logical node", `<Communication>`, `<Line name="S"><Bay name="B"><LNode iedName="SND" ldInst="LD0" prefix="x" lnClass="GGIO" lnInst="1"/></Bay></Line><Communication>`, "", `no logical node "LD0/xGGIO1"`},
		{"scl.process.duplicate", "bays", `<Communication>`, `<Substation name="S"><Bay name="B"/><Function name="B"/></Substation><Communication>`, "", `in line 5, too`},
		{"scl.process.duplicate", "substations", `<Communication>`, `<Substation name="S"/><Substation name="S"/><Communication>`, "", `in line 5, too`},
		{"scl.input.ied", "none", ln, ln + `<Inputs><ExtRef iedName="NIX" ldInst="L" lnClass="LLN0"/></Inputs>`, "", `no IED "NIX"`},
		{"scl.input.source", "no such logical node", ln, ln + `<Inputs><ExtRef iedName="SND" ldInst="LD0" lnClass="MMXU" lnInst="1" doName="A"/></Inputs>`, "", `no logical node "LD0/MMXU1"`},
		{"scl.input.source", "no such data", ln, ln + `<Inputs><ExtRef iedName="@" ldInst="LD0" lnClass="GGIO" lnInst="1" doName="Ind1" daName="stValue"/></Inputs>`, "", `no "stValue" in "LD0/GGIO1.Ind1.stValue"`},
		{"scl.input.source", "no such data below a sub-data object", ln, ln + `<Inputs><ExtRef iedName="SND" ldInst="LD0" prefix="Har" lnClass="MHAI" lnInst="1" doName="HA.phsAHar(1)" daName="cVal.mag.i"/></Inputs>`, "", `no "i" in`},
		{"scl.input.source", "no such control block", ln, ln + `<Inputs><ExtRef iedName="SND" ldInst="LD0" lnClass="GGIO" lnInst="1" doName="Ind1" srcPrefix="" srcCBName="go"/></Inputs>`, "", `no control block "LD0/LLN0.go"`},

		{"scl.ld.name", "not letters", `ldName="FreelyNamed"`, `ldName="Freely named"`, "", `"Freely named" is not a logical device name`},
		{"scl.ld.duplicate", "one name", `ldName="FreelyNamed"`, `ldName="SNDLD0"`, "", `two logical devices are called "SNDLD0"`},
		{"scl.ld.lln0", "none", "<LN0 lnClass=\"LLN0\" inst=\"\" lnType=\"LLN0_1\"/>", "", `        <LDevice inst="LD1"`, "it has no LLN0"},
		{"scl.ld.lln0", "as LN", `<LN0 lnClass="LLN0" inst="" lnType="LLN0_1"/>`, `<LN lnClass="LLN0" inst="" lnType="LLN0_1"/>`, "", "not an LN0"},
		{"scl.ld.lphd", "none", `<LN lnClass="LPHD" inst="1" lnType="LPHD_1"/>`, "", "  <IED", "no LPHD"},
		{"scl.ln.name", "not letters", ln, `<LN lnClass="GGIO" inst="2" prefix="a b" lnType="GGIO_1"/>` + ln, "", "it is left out"},
		{"scl.ln.inst", "prefix", ln, `<LN lnClass="GGIO" inst="2" prefix="1a" lnType="GGIO_1"/>` + ln, "", `prefix is "1a"`},
		{"scl.ln.inst", "inst", ln, `<LN lnClass="GGIO" inst="x" lnType="GGIO_1"/>` + ln, "", `inst is "x"`},
		{"scl.ln.duplicate", "one name", ln, `<LN lnClass="LPHD" inst="1" lnType="LPHD_1"/>` + ln, "", "there is another of that name"},
		{"scl.ln.type", "none", ln, `<LN lnClass="GGIO" inst="2" lnType="NIX"/>` + ln, "", `there is no LNodeType "NIX"`},
		{"scl.ln.class", "another", ln, `<LN lnClass="GAPC" inst="1" lnType="GGIO_1"/>` + ln, "", `its lnClass is "GAPC"`},
		{"scl.ln.class", "of a type", `<DOType id="ENS_1"`, `<LNodeType id="y" lnClass="Ggio"><DO name="Beh" type="ENS_1"/></LNodeType><DOType id="ENS_1"`, "", `"Ggio"`},
		{"scl.ln.class-unknown", "of a type", `<DOType id="ENS_1"`, `<LNodeType id="y" lnClass="MXMU"><DO name="Beh" type="ENS_1"/></LNodeType><DOType id="ENS_1"`, "", `"MXMU"`},
		{"scl.ln.mandatory", "Beh", `<DOType id="ENS_1"`, `<LNodeType id="y" lnClass="GGIO"/><DOType id="ENS_1"`, "", "it has no Beh"},
		{"scl.name.item-length", "data object", ind, ind + `<DO name="` + long + `" type="SPS_1"/>`, "          " + ln, "longer than 64 octets in MMS"},
		{"scl.name.item-length", "report", ln, `<LN prefix="abcdefghijk" lnClass="GGIO" inst="123456789012" lnType="GGIO_1"><ReportControl name="` + long[:32] + `"/></LN>` + ln, "", "has 77 characters in MMS"},
		{"scl.name.reference-length", "three long names", proxy, proxy + `<DO name="` + long + `" type="W"/>`, `          <LN lnClass="LPHD"`, "longer than 129 octets"},
		{"scl.model.limit", "a count", ind, ind + `<DO name="Big" type="BIG"/>`, `    <DOType id="BIG"`, "more than 1000000 nodes"},

		{"scl.type.duplicate", "DOType", `<DOType id="DPL_1"`, `<DOType id="SPS_1" cdc="SPS"><DA name="stVal" fc="ST" bType="BOOLEAN"/><DA name="q" fc="ST" bType="Quality"/><DA name="t" fc="ST" bType="Timestamp"/></DOType><DOType id="DPL_1"`, "", "taken already in line"},
		{"scl.type.duplicate", "EnumType", `<EnumType id="Beh">`, `<EnumType id="X"/><EnumType id="X"/><EnumType id="Beh">`, "", "taken already in line"},
		{"scl.type.duplicate", "LNodeType", `<LNodeType id="GGIO_1"`, `<LNodeType id="LPHD_1" lnClass="LPHD"><DO name="PhyNam" type="DPL_1"/><DO name="PhyHealth" type="ENS_1"/><DO name="Proxy" type="SPS_1"/></LNodeType><LNodeType id="GGIO_1"`, "", "taken already in line"},
		{"scl.type.unused", "LNodeType", `<DOType id="ENS_1"`, `<LNodeType id="y" lnClass="GGIO"><DO name="Beh" type="ENS_1"/></LNodeType><DOType id="ENS_1"`, "", "nothing uses it"},
		{"scl.type.unused", "EnumType", `<EnumType id="Beh">`, `<EnumType id="X"/><EnumType id="Beh">`, "", "nothing uses it"},
		{"scl.type.missing", "DOType", ind, ind + `<DO name="Ind2" type="NIX"/>`, "", `there is no DOType "NIX"`},
		{"scl.type.missing", "DAType", da, da + `<DA name="s" fc="ST" bType="Struct" type="NIX"/>`, "", `there is no DAType "NIX"`},
		{"scl.type.empty", "DAType", da, da + `<DA name="s" fc="ST" bType="Struct" type="E"/>`, "", `its type "E" is empty`},
		{"scl.type.recursive", "DAType", da, da + `<DA name="s" fc="ST" bType="Struct" type="R"/>`, `    <DAType id="R"`, `its type "R" contains itself`},
		{"scl.member.name", "DO", ind, ind + `<DO name="a.b" type="SPS_1"/>`, "", "a name has letters and digits"},
		{"scl.member.duplicate", "DO", ind, ind + ind, "", "has another of that name"},
		{"scl.member.fc", "none", da, da + `<DA name="a" bType="BOOLEAN"/>`, "", `fc="" is no functional constraint`},
		{"scl.member.btype", "none that is known", da, da + `<DA name="a" fc="ST" bType="INT7"/>`, "", `the basic type "INT7" is not known`},
		{"scl.member.count", "no such attribute", da, da + `<DA name="a" fc="ST" bType="INT8" count="nix"/>`, "", `count="nix"`},
		{"scl.enum.missing", "none", da, da + `<DA name="a" fc="ST" bType="Enum" type="NIX"/>`, "", `there is no EnumType "NIX"`},
		{"scl.enum.ord", "no number", `<EnumVal ord="1">`, `<EnumVal ord="x">a</EnumVal><EnumVal ord="1">`, "", `ord="x" is no number`},
		{"scl.enum.duplicate", "number", `<EnumVal ord="1">`, `<EnumVal ord="1">a</EnumVal><EnumVal ord="1">`, "", "the number 1 is there twice"},
		{"scl.enum.duplicate", "name", `<EnumVal ord="5">`, `<EnumVal ord="6">off</EnumVal><EnumVal ord="5">`, "", `the name "off" is there twice`},
		{"scl.cdc.unknown", "of one's own", `<DOType id="DPL_1"`, `<DOType id="y" cdc="XYZ"/><DOType id="DPL_1"`, "", `its cdc is "XYZ"`},
		{"scl.cdc.mandatory", "q", `<DOType id="DPL_1"`, `<DOType id="y" cdc="SPS">` + da + `</DOType><DOType id="DPL_1"`, "", "SPS has q, t, and this has not"},
		{"scl.cdc.fc", "vendor", `fc="DC" bType="VisString255"`, `fc="CF" bType="VisString255"`, "", `fc="CF", and in DPL it is DC`},
		{"scl.cdc.btype", "q", `name="q" fc="MX" bType="Quality"`, `name="q" fc="MX" bType="INT32"`, "", `bType="INT32", and in CMV it is Quality`},

		{"scl.value.target", "data object", ln, ln + `<DOI name="Nix"><DAI name="x"><Val>1</Val></DAI></DOI>`, "", `values of "SNDLD0/GGIO1.Nix" are left out`},
		{"scl.value.target", "a structure", ln, ln + `<DOI name="Ind1"><Val>1</Val></DOI>`, "", "is no leaf"},
		{"scl.value.index", "beyond", `ix="1"`, `ix="3"`, "", `ix="3" is no element of 3`},
		{"scl.value.index", "of no array", `<DAI name="stVal"><Val>true`, `<DAI name="stVal" ix="0"><Val>true`, "", "it is no array"},
		{"scl.value.index", "of a type", da, da + `<DA name="a" fc="ST" bType="INT8" count="2"><Val>1</Val></DA>`, "", "does not say which element"},
		{"scl.value.form", "boolean", "<Val>true</Val>", "<Val>yes</Val>", "", `"yes" is neither true nor false`},
		{"scl.value.form", "enumeration", "<Val>on</Val>", "<Val>open</Val>", "", `"open" is no value of the enumeration "Beh"`},
		{"scl.value.form", "range", da, da + `<DA name="a" fc="ST" bType="INT8"><Val>128</Val></DA>`, "", "does not fit"},
		{"scl.value.group", "beyond", `sGroup="1"`, `sGroup="3"`, "", `sGroup="3" is no setting group of 2`},
		{"scl.value.group", "no number", `sGroup="1"`, `sGroup="a"`, "", `sGroup="a" is no setting group`},
		{"scl.value.group", "of no setting", "<Val>true</Val>", `<Val sGroup="1">true</Val>`, "", "it is no setting of a group"},
		{"scl.setting-control", "active beyond", `actSG="2"`, `actSG="3"`, "", `actSG="3" is none of 2 groups`},
		{"scl.setting-control", "no number of groups", `numOfSGs="2"`, `numOfSGs=""`, "", `numOfSGs="" is no number`},
		{"scl.setting-control", "outside of LN0", ln, ln + `<SettingControl numOfSGs="2" actSG="2"/>`, "", "it is not in LN0"},

		{"scl.dataset.name", "none", `<DataSet name="all">`, `<DataSet name="a b"><FCDA ldInst="LD0" lnClass="LLN0" doName="Beh" fc="ST"/></DataSet><DataSet name="all">`, "", "is not a name"},
		{"scl.dataset.name", "twice", `<LogControl`, `<DataSet name="all"><FCDA ldInst="LD0" lnClass="LLN0" doName="Beh" fc="ST"/></DataSet><LogControl`, "", "another of that name"},
		{"scl.dataset.empty", "empty", `<DataSet name="all">`, `<DataSet name="none"/><DataSet name="all">`, "", "it has no member"},
		{"scl.dataset.member", "logical node", `lnInst="1" doName="Ind1"`, `lnInst="2" doName="Ind1"`, "", "LD0/GGIO2.Ind1.stVal[ST] is left out: there is no such logical node"},
		{"scl.dataset.member", "data object", `doName="Ind1"`, `doName="Ind2"`, "", `there is no "Ind2"`},
		{"scl.dataset.member", "attribute", `daName="stVal"`, `daName="val"`, "", `there is no "val"`},
		{"scl.dataset.member", "functional constraint", `daName="stVal" fc="ST"`, `daName="stVal" fc="MX"`, "", "holds nothing under"},
		{"scl.dataset.member", "no functional constraint", `daName="stVal" fc="ST"`, `daName="stVal"`, "", `fc="" is no`},
		{"scl.dataset.member", "element", `phsAHar(1)`, `phsAHar(3)`, "", `has no element`},
		{"scl.control.name", "none", `<LogControl name="lcb"`, `<LogControl name="l.cb"`, "", "is not a name"},
		{"scl.control.name-length", "33 characters", `<LogControl name="lcb"`, `<LogControl name="` + long[:33] + `"`, "", "its name has 33 characters"},
		{"scl.control.name-length", "of a data set", `<DataSet name="all">`, `<DataSet name="` + long[:33] + `"><FCDA ldInst="LD0" lnClass="LLN0" doName="Beh" fc="ST"/></DataSet><DataSet name="all">`, "", "its name has 33 characters"},
		{"scl.control.value", "no number", `rptID="two" confRev="1"`, `rptID="two" confRev="-1"`, "", `confRev="-1" is no number from 0 to 4294967295`},
		{"scl.control.value", "too long an ID", `rptID="two"`, `rptID="` + long + long + long + `"`, "", "does not fit its ID"},
		{"scl.control.value", "no sample mode", `<LogControl`, `<SampledValueControl name="sv" smvID="a" smpMod="often"/><LogControl`, "", `smpMod="often"`},
		{"scl.control.duplicate", "twice", `<LogControl name="lcb"`, `<LogControl name="lcb" datSet="all" logName="log"/><LogControl name="lcb"`, "", "another of that name"},
		{"scl.control.dataset", "none", `name="urcb" datSet="all"`, `name="urcb" datSet="nix"`, "", `no DataSet "nix"`},
		{"scl.report.instances", "none", `max="2"`, `max="0"`, `            <ReportControl name="urcb"`, `max="0"`},
		{"scl.report.instances", "without an index", `rptID="one"`, `rptID="one" indexed="false"`, "", "2 instances, and its name no index"},
		{"scl.report.clients", "too many", `max="2"><ClientLN`, `max="2"><ClientLN iedName="SND"/><ClientLN iedName="SND"/><ClientLN`, `            <ReportControl name="urcb"`, "for 3 clients, and has 2 instances"},
		{"scl.report.client-address", "none", `<ClientLN iedName="SND"`, `<ClientLN iedName="C"`, "", `no address of IED "C"`},
		{"scl.report.id", "twice", `rptID="two"`, `rptID="one"`, "", `that of "urcb" in line 25`},
		{"scl.report.period", "not allowed", ` period="true"`, "", `            <ReportControl name="urcb"`, "intgPd is 1000"},
		{"scl.log.missing", "none", `logName="log"`, `logName="nix"`, "", `there is no Log "nix"`},
		{"scl.log.missing", "no logical node", `logName="log"`, `logName="log" lnClass="GLOG"`, "", `no logical node "GLOG"`},
	} {
		t.Run(tc.rule+" "+tc.name, func(t *testing.T) {
			base := sound(t)
			for _, more := range []struct{ when, types string }{
				{`type="E"`, `<DAType id="E"/>`},
				{`type="R"`, `<DAType id="R"><BDA name="b" bType="BOOLEAN"/><BDA name="r" bType="Struct" type="R"/></DAType>`},
				{`type="W"`, `<DOType id="W" cdc="CSD"><DA name="` + long + `" fc="ST" bType="INT8"/></DOType>`},
				{`type="BIG"`, `<DOType id="BIG" cdc="CSD"><DA name="a" fc="ST" bType="INT8" count="1000001"/></DOType>`},
			} {
				if strings.Contains(tc.new, more.when) {
					base = strings.Replace(base, "    <EnumType", "    "+more.types+"\n    <EnumType", 1)
				}
			}
			text := strings.ReplaceAll(base, tc.old, tc.new)
			if text == base {
				t.Fatalf("the file has no %s", tc.old)
			}
			at := strings.Index(base, tc.old)
			if tc.line != "" {
				at = strings.Index(text, "\n"+tc.line) + 1
			}
			line := 1 + strings.Count(text[:at], "\n")
			if tc.rule == "scl.file.no-server" {
				line = 0
			}
			var got []Finding
			for _, f := range check(text, "") {
				if tc.rule == "scl.file.no-server" && f.Rule != tc.rule || tc.rule != "scl.type.unused" && f.Rule == "scl.type.unused" ||
					tc.rule == "scl.comm.ip-duplicate" && f.Rule == "scl.comm.access-point" {
					continue // what is broken on the way
				}
				got = append(got, f)
			}
			if len(got) != 1 || got[0].Rule != tc.rule || got[0].Line != line || !strings.Contains(got[0].Msg, tc.message) {
				t.Errorf("got  %v\nwant one by %s in line %d: %s", got, tc.rule, line, tc.message)
			}
		})
	}
}

func TestSoundFileHasNoFindings(t *testing.T) {
	d, err := Parse(strings.NewReader(sound(t)))
	if err != nil {
		t.Fatal(err)
	}
	report := d.Check("")
	if len(report.Findings) != 0 || report.More != 0 {
		t.Errorf("got %v and %d more", report.Findings, report.More)
	}
	var served []string
	for _, s := range report.Servers {
		served = append(served, s.IED+" "+s.AccessPoint+" "+s.At+" "+strings.Join(s.JIDs, " "))
	}
	if diff := cmp.Diff([]string{"SND A  snd@dso.example/IEC", "SND B A snd.b@dso.example/IEC"}, served); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if d.Edition() != "Edition 2.1 (2007B4)" {
		t.Errorf("edition %q", d.Edition())
	}
}

func TestCheckOfOneIED(t *testing.T) {
	other := strings.Replace(sound(t), `<DataTypeTemplates>`, `<IED name="OTH"><AccessPoint name="A"><Server><LDevice inst="x"/></Server></AccessPoint></IED><DataTypeTemplates>`, 1)
	for ied, want := range map[string]string{"SND": "", "OTH": "scl.ld.lln0 scl.ld.lphd", "NIX": "scl.ied.none"} {
		var got []string
		for _, f := range check(other, ied) {
			got = append(got, f.Rule)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", ied, got, want)
		}
	}
}

// Every rule has a case above, or a reason why it has none; each is described, in docs/scl.md too.
func TestRulesAreCompleteAndDocumented(t *testing.T) {
	source, err := os.ReadFile("rules_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "scl.md"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]bool{
		"scl.file.unreadable": true, // TestReaderThatFails
		"scl.ied.none":        true, // TestCheckOfOneIED
		"scl.ied.empty":       true, // TestWrongModelsAreRefused
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		switch {
		case !regexp.MustCompile(`^scl(\.[a-z0-9]+(-[a-z0-9]+)*){1,2}$`).MatchString(r.ID):
			t.Errorf("%q is no ID of a rule", r.ID)
		case seen[r.ID]:
			t.Errorf("%s is there twice", r.ID)
		case r.Means == "" || r.Hint == "" && r.Severity != SeverityInfo:
			t.Errorf("%s is not described", r.ID)
		case !elsewhere[r.ID] && !strings.Contains(string(source), "\t{\""+r.ID+"\","):
			t.Errorf("%s has no case", r.ID)
		}
		seen[r.ID] = true
		row := "| `" + r.ID + "` | " + r.Severity.String() + " | " + r.Means + " | " + r.Hint + " |"
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/scl.md lacks\n%s", row)
		}
	}
}

// What is said of one part of a file in another is followed where it is right, too.
func TestSoundSystemHasNoFindings(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "system.scd"))
	if err != nil {
		t.Fatal(err)
	}
	if found := check(string(text), ""); len(found) != 0 {
		t.Errorf("got %v", found)
	}
	for _, f := range check(string(text), "SUB") {
		t.Errorf("of SUB alone: %v", f)
	}
}
