package scl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"github.com/google/go-cmp/cmp"
)

// blocks is a file with every kind of control block.
func blocks(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "blocks.scd"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// modelOf is the model of an IED, and what was found.
func modelOf(t *testing.T, text, ied string) (*acsi.Model, []Finding) {
	t.Helper()
	d, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	m, findings, err := d.Model(ied, "")
	if err != nil {
		t.Fatal(err)
	}
	return m, findings
}

// told is a model's data sets, control blocks and logs, a line each.
func told(m *acsi.Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", m.Services)
	for _, ld := range m.LDs {
		fmt.Fprintf(&b, "%s: groups %d active %d reserved %d s\n", ld.Name, ld.Groups, ld.ActiveGroup, ld.ResvTms)
		for _, ln := range ld.LNs {
			for _, set := range ln.DataSets {
				fmt.Fprintf(&b, "  %s %t %v\n", set.Ref, set.Fixed, set.Members)
			}
			for _, r := range ln.Reports {
				fmt.Fprintf(&b, "  %s %q %s conf %d opt %s trg %s buf %d intg %d for %v\n", r.Ref, r.RptID, r.DataSet, r.ConfRev, r.OptFlds, r.TrgOps, r.BufTm, r.IntgPd, r.Reserved)
			}
			for _, l := range ln.LogCtrls {
				fmt.Fprintf(&b, "  %s %s to %s enabled %t trg %s intg %d reason %t\n", l.Ref, l.DataSet, l.Log, l.LogEna, l.TrgOps, l.IntgPd, l.Reason)
			}
			if ln.Logs != nil {
				fmt.Fprintf(&b, "  %s logs %v\n", ln.Node.Name, ln.Logs)
			}
			var nodes []string
			for _, n := range ln.Node.Children {
				if n.Kind == acsi.ControlBlockNode {
					nodes = append(nodes, n.CDC+" "+n.Name)
				}
			}
			if nodes != nil {
				fmt.Fprintf(&b, "  %s blocks %v\n", ln.Node.Name, nodes)
			}
			for _, v := range ln.Values {
				if fc := v.Ref.FC(); fc == acsi.GO || fc == acsi.MS || fc == acsi.US {
					fmt.Fprintf(&b, "  %s = %v\n", v.Ref, v.Value)
				}
			}
		}
	}
	return b.String()
}

func TestControlBlocksOfAFile(t *testing.T) {
	m, findings := modelOf(t, blocks(t), "BLK")
	if len(findings) > 0 {
		t.Errorf("found %v", findings)
	}
	urcbs := ""
	for i := range 11 {
		reserved := []string{"[ems@dso.example/IEC]", "[ems@dso.example/IEC 192.0.2.7]", "[192.0.2.7]", "[]"}[min(i, 3)]
		urcbs += fmt.Sprintf("  BLKLD0/LLN0.urcb%02[1]d[RP] \"BLKLD0/LLN0$RP$urcb%02[1]d\" BLKLD0/LLN0.all conf 7 opt sequence-number,report-time-stamp,"+
			"reason-for-inclusion,data-set-name,data-reference,entryID,conf-revision trg dchg,qchg,dupd,integrity buf 50 intg 5000 for %[2]s\n", i+1, reserved)
	}
	want := `{MaxDataSets:12 MaxMembers:40 MaxLocalSets:0 MaxAttachments:9 FixedDatSet:true FixedRptID:false FixedOptFlds:false FixedBufTm:true FixedTrgOps:false FixedIntgPd:false FixedLog:true NoOwner:false NoResvTms:true}
BLKLD0: groups 3 active 2 reserved 30 s
  BLKLD0/LLN0.all true [BLKLD0/GGIO1.Ind1.stVal[ST] BLKLD0/GGIO1.Ind1[ST] BLKLD0/HarMHAI1.HA.phsAHar(1).cVal.mag.f[MX] BLKLD0/HarMHAI1.HA.phsAHar(0)[MX] BLKLD0/HarMHAI1.HA.phsAHar[MX] FreelyNamed/LLN0.Beh[ST]]
` + urcbs + `  BLKLD0/LLN0.brcb[BR] "two" BLKLD0/LLN0.all conf 1 opt buffer-overflow trg gi buf 0 intg 0 for []
  BLKLD0/LLN0.lcb[LG] BLKLD0/LLN0.all to BLKLD0/LLN0.log enabled true trg dchg,gi intg 60000 reason false
  BLKLD0/LLN0.lcb2[LG]  to FreelyNamed/LLN0.FreelyNamed enabled false trg gi intg 0 reason true
  LLN0 logs [log]
  LLN0 blocks [SGCB SGCB URCB urcb01 URCB urcb02 URCB urcb03 URCB urcb04 URCB urcb05 URCB urcb06 URCB urcb07 URCB urcb08 URCB urcb09 URCB urcb10 URCB urcb11 BRCB brcb LCB lcb LCB lcb2 GoCB gcb MSVCB sv USVCB usv]
  BLKLD0/LLN0.gcb.GoID[GO] = visible-string "goose"
  BLKLD0/LLN0.gcb.DatSet[GO] = visible-string "BLKLD0/LLN0$all"
  BLKLD0/LLN0.gcb.ConfRev[GO] = unsigned 3
  BLKLD0/LLN0.gcb.FixedOffs[GO] = true
  BLKLD0/LLN0.gcb.DstAddress.Addr[GO] = octet-string 010ccd010007
  BLKLD0/LLN0.gcb.DstAddress.PRIORITY[GO] = unsigned 5
  BLKLD0/LLN0.gcb.DstAddress.VID[GO] = unsigned 10
  BLKLD0/LLN0.gcb.DstAddress.APPID[GO] = unsigned 12289
  BLKLD0/LLN0.gcb.MinTime[GO] = unsigned 4
  BLKLD0/LLN0.gcb.MaxTime[GO] = unsigned 1000
  BLKLD0/LLN0.sv.MsvID[MS] = visible-string "sv"
  BLKLD0/LLN0.sv.DatSet[MS] = visible-string "BLKLD0/LLN0$all"
  BLKLD0/LLN0.sv.ConfRev[MS] = unsigned 2
  BLKLD0/LLN0.sv.SmpRate[MS] = unsigned 80
  BLKLD0/LLN0.sv.OptFlds[MS] = bit-string 10010010
  BLKLD0/LLN0.sv.noASDU[MS] = unsigned 1
  BLKLD0/LLN0.sv.SmpMod[MS] = integer 1
  BLKLD0/LLN0.sv.DstAddress.Addr[MS] = octet-string 010ccd040001
  BLKLD0/LLN0.sv.DstAddress.PRIORITY[MS] = unsigned 4
  BLKLD0/LLN0.sv.DstAddress.VID[MS] = unsigned 0
  BLKLD0/LLN0.sv.DstAddress.APPID[MS] = unsigned 16385
  BLKLD0/LLN0.usv.UsvID[US] = visible-string "BLKLD0/LLN0$US$usv"
  BLKLD0/LLN0.usv.DatSet[US] = visible-string ""
  BLKLD0/LLN0.usv.ConfRev[US] = unsigned 0
  BLKLD0/LLN0.usv.SmpRate[US] = unsigned 4000
  BLKLD0/LLN0.usv.OptFlds[US] = bit-string 00000000
  BLKLD0/LLN0.usv.noASDU[US] = unsigned 2
  BLKLD0/LLN0.usv.SmpMod[US] = integer 0
  BLKLD0/GGIO2.own true [BLKLD0/GGIO2.Ind1.q[ST]]
  BLKLD0/GGIO2.own01[RP] "BLKLD0/GGIO2$RP$own01" BLKLD0/GGIO2.own conf 1 opt  trg gi buf 0 intg 0 for []
  GGIO2 blocks [URCB own01]
FreelyNamed: groups 0 active 2 reserved 0 s
  LLN0 logs [FreelyNamed]
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(told(m), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNodesWithoutControlBlocksAreShared(t *testing.T) {
	m, _ := modelOf(t, blocks(t), "BLK")
	plain, with := m.LDs[0].LN("GGIO1").Node, m.LDs[0].LN("GGIO2").Node
	if len(plain.Children) != 2 || len(with.Children) != 3 || plain.Children[1] != with.Children[1] {
		t.Errorf("GGIO1 has %d parts, GGIO2 %d", len(plain.Children), len(with.Children))
	}
	a, b := m.LDs[0].LN("LLN0").Node, m.LDs[1].LN("LLN0").Node
	if &a.Children[0].Children[0] != &b.Children[0].Children[0] {
		t.Error("two LLN0 of one type have trees of their own")
	}
}

func TestAttributesTriggerAsTheirTypesSay(t *testing.T) {
	m, _ := modelOf(t, blocks(t), "BLK")
	for path, want := range map[string]acsi.TrgOps{
		"GGIO1.Ind1.stVal":                 acsi.TrgDataChange | acsi.TrgDataUpdate,
		"GGIO1.Ind1.q":                     acsi.TrgQualityChange,
		"GGIO1.Ind1.t":                     0,
		"HarMHAI1.HA.phsAHar.cVal.mag.f":   acsi.TrgDataChange,
		"HarMHAI1.HA.phsAHar.rangeC.mag.f": 0,
	} {
		names := strings.Split(path, ".")
		n := m.LDs[0].LN(names[0]).Node
		for _, name := range names[1:] {
			n = n.Child(name)
		}
		if n.Triggers != want {
			t.Errorf("%s: got %s, want %s", path, n.Triggers, want)
		}
	}
}

func TestFirstEditionHasNoOwnerAndCallsLogsAsTheirDevice(t *testing.T) {
	text := blocks(t)
	for _, r := range [][2]string{{` version="2007" revision="B" release="4"`, ""}, {`<Log name="log"/>`, `<Log/>`}, {`logName="log"`, `logName="LD0"`}} {
		text = strings.Replace(text, r[0], r[1], 1)
	}
	start, end := strings.Index(text, "<Services>"), strings.Index(text, "</Services>")
	m, findings := modelOf(t, text[:start]+"<Services>"+text[end:], "BLK")
	if len(findings) > 0 {
		t.Errorf("found %v", findings)
	}
	if m.Services != (acsi.Abilities{NoOwner: true, NoResvTms: true}) {
		t.Errorf("abilities: %+v", m.Services)
	}
	ln := m.LDs[0].LN("LLN0")
	if got := fmt.Sprint(ln.LogCtrls[0].Log, ln.Logs); got != "BLKLD0/LLN0.BLKLD0 [BLKLD0]" {
		t.Errorf("logs: %s", got)
	}
}

func TestAccessPointsHaveAbilitiesOfTheirOwn(t *testing.T) {
	text := strings.Replace(blocks(t), "      </Server>\n", `      </Server><Services><DynAssociation max="4"/><ReportSettings datSet="Dyn" resvTms="true"/></Services>`, 1)
	m, _ := modelOf(t, text, "BLK")
	want := acsi.Abilities{MaxDataSets: 12, MaxMembers: 40, MaxAttachments: 4, FixedRptID: true, FixedOptFlds: true, FixedBufTm: true,
		FixedTrgOps: true, FixedIntgPd: true, FixedLog: true, NoOwner: true}
	if m.Services != want {
		t.Errorf("got %+v, want %+v", m.Services, want)
	}
}

func TestWrongControlBlocksAreLeftOut(t *testing.T) {
	set := `<DataSet name="d"><FCDA lnClass="LLN0" doName="Beh" fc="ST"/></DataSet>`
	long := strings.Repeat("x", 64)
	for name, tc := range map[string]struct {
		in, want string // what LLN0 has, and its control blocks and data sets then
		findings []string
	}{
		"an instance of a name that is taken": {`<ReportControl name="a01" indexed="false"/><ReportControl name="a"><RptEnabled max="2"/></ReportControl>`,
			"a01 a02", []string{"scl.control.duplicate"}},
		"one name under two constraints": {`<ReportControl name="a"/><ReportControl name="a" buffered="true"/><LogControl name="a01" logName=""/>`,
			"a01 a01 a01", nil},
		"millions of instances":            {`<ReportControl name="a"><RptEnabled max="4000000"/></ReportControl>`, "99", nil},
		"more than any number":             {`<ReportControl name="a"><RptEnabled max="99999999999999999999999"/></ReportControl>`, "99", nil},
		"less than none":                   {`<ReportControl name="a"><RptEnabled max="-99999999999999999999999"/></ReportControl>`, "a01", nil},
		"no number of instances":           {`<ReportControl name="a"><RptEnabled max="two"/></ReportControl>`, "a01", nil},
		"a reference too long":             {`<ReportControl name="` + long + `" indexed="false"/>`, long, nil},
		"a name too long":                  {`<ReportControl name="` + long + `"/>`, "", []string{"scl.control.name"}},
		"without a name":                   {`<LogControl logName=""/><GSEControl/><SampledValueControl/>`, "", []string{"scl.control.name", "scl.control.name", "scl.control.name"}},
		"numbers that are none":            {`<ReportControl name="a" confRev="x" bufTime="-1" intgPd="4294967296"/>`, "a01", []string{"scl.control.value", "scl.control.value", "scl.control.value"}},
		"a member that is not":             {`<DataSet name="d"><FCDA lnClass="LLN0" doName="Nix" fc="ST"/><FCDA lnClass="LLN0" doName="Beh" fc="ST"/></DataSet>`, "d[1]", []string{"scl.dataset.member"}},
		"no member that is":                {`<DataSet name="d"><FCDA lnClass="LLN0" doName="Nix" fc="ST"/></DataSet><LogControl name="l" datSet="d" logName=""/>`, "l", []string{"scl.dataset.member", "scl.dataset.empty", "scl.control.dataset"}},
		"nothing in all of a node":         {`<DataSet name="d"><FCDA lnClass="LLN0" fc="MX"/></DataSet>`, "", []string{"scl.dataset.member", "scl.dataset.empty"}},
		"an index of no array":             {`<DataSet name="d"><FCDA lnClass="LLN0" doName="Beh(0)" fc="ST"/></DataSet>`, "", []string{"scl.dataset.member", "scl.dataset.empty"}},
		"two data sets":                    {set + set, "d[1]", []string{"scl.dataset.name"}},
		"billions of groups":               {`<SettingControl numOfSGs="2000000000" actSG="1"/>`, "SGCB", []string{"scl.setting-control"}},
		"a log nowhere":                    {`<LogControl name="l" lnClass="GLOG" logName="x"/>`, "l", []string{"scl.log.missing"}},
		"a Log without a name that can be": {`<Log name="a b"/><LogControl name="l" logName=""/>`, "l", []string{"scl.control.name"}},
		"a log without a name":             {`<LogControl name="l" logName="a b"/>`, "l", []string{"scl.log.missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, findings := modelOf(t, file(`<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T">`+tc.in+`</LN0></LDevice>`, beh), "")
			var rules, names []string
			for _, f := range findings {
				rules = append(rules, f.Rule)
			}
			ln := m.LDs[0].LNs[0]
			for _, n := range ln.Node.Children[1:] {
				names = append(names, n.Name)
			}
			for _, set := range ln.DataSets {
				names = append(names, fmt.Sprintf("%s[%d]", set.Ref.Name(), len(set.Members)))
			}
			got := strings.Join(names, " ")
			if len(names) > 10 {
				got = fmt.Sprint(len(names))
			}
			if got != tc.want || !cmp.Equal(rules, tc.findings) {
				t.Errorf("got %s and %v\nwant %s and %v", got, rules, tc.want, tc.findings)
			}
			if m.LDs[0].Groups > maxGroups {
				t.Errorf("%d groups", m.LDs[0].Groups)
			}
		})
	}
}

// Instances multiply what is written: a file cannot make more of them than a model has room for.
func TestControlBlocksCountAsNodes(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, `<ReportControl name="a%d"><RptEnabled max="99"/></ReportControl>`, i)
	}
	d, err := Parse(strings.NewReader(file(`<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T">`+b.String()+`</LN0></LDevice>`, beh)))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = d.Model("", "")
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Rule != "scl.model.limit" {
		t.Errorf("got %v", err)
	}
}

func TestManyMembersAndBlocks(t *testing.T) {
	const n = 20_000
	var set, many, clients strings.Builder
	for i := range n {
		set.WriteString(`<FCDA lnClass="LLN0" doName="Beh" fc="ST"/><FCDA lnClass="LLN0" doName="Nix" fc="ST"/>`)
		if i < n/10 {
			fmt.Fprintf(&many, `<DataSet name="s%d"><FCDA lnClass="LLN0" doName="Beh" fc="ST"/></DataSet><LogControl name="l%[1]d" datSet="s%[1]d" logName="log%[1]d"/>`, i)
		}
		clients.WriteString(`<ClientLN iedName="I"/>`)
	}
	in := file(`<LDevice inst="L"><LN0 lnClass="LLN0" inst="" lnType="T"><DataSet name="all">`+set.String()+`</DataSet>`+many.String()+
		`<ReportControl name="r" datSet="all"><RptEnabled max="99">`+clients.String()+`</RptEnabled></ReportControl></LN0></LDevice>`, beh)
	m, findings := modelOf(t, in, "")
	if got := m.Counts(); got.Members != n+n/10 || got.DataSets != 1+n/10 || got.Blocks[acsi.LCB] != n/10 || got.Blocks[acsi.URCB] != 99 {
		t.Errorf("got %+v", got)
	}
	if len(m.LDs[0].LNs[0].Logs) != n/10 || len(findings) == 0 {
		t.Errorf("%d logs, %d findings", len(m.LDs[0].LNs[0].Logs), len(findings))
	}
}

// Whatever attributes say, what is served of a file is a model that an engine takes.
func TestWhateverAttributesSayAnEngineTakesTheModel(t *testing.T) {
	text := blocks(t)
	quoted := regexp.MustCompile(`"[^"]*"`)
	places := quoted.FindAllStringIndex(text, -1)
	words := []string{"", "0", "-1", "4000000", "a b", "LD0", "LLN0", "GGIO", "1", "true", "ST", "SP", "SG", "Dyn", "Fix", "urcb01", strings.Repeat("x", 70), strings.Repeat("y", 130)}
	served := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 3))
		at, word := places[r.IntN(len(places))], words[r.IntN(len(words))]
		if other := places[r.IntN(len(places))]; r.IntN(3) == 0 {
			word = text[other[0]+1 : other[1]-1]
		}
		broken := text[:at[0]] + `"` + word + `"` + text[at[1]:]
		d, err := Parse(strings.NewReader(broken))
		if err != nil {
			continue
		}
		m, _, err := d.Model("BLK", "")
		if err != nil {
			continue
		}
		if _, err := server.New(server.Config{Model: m}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		served++
	}
	if served < 300 {
		t.Errorf("%d of 600 were served", served)
	}
}
