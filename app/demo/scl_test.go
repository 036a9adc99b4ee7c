package demo_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"github.com/google/go-cmp/cmp"
)

// models are the files of one IED each, with values that others rely on.
var models = []struct {
	file, ied, jid string
	initial        map[string]string // by reference; a setting of a group has the group's number behind it
}{
	{"pv.cid", "PV1", "pv1@demo.example/IEC", map[string]string{
		"PV1LD0/MMXU1.TotW.mag.f[MX]":             "float32 61.4",
		"PV1LD0/MMXU1.TotW.units.multiplier[CF]":  "integer 3",
		"PV1LD0/MMXU1.TotW.d[DC]":                 `visible-string "Active power, positive into the network"`,
		"PV1LD0/MMXU1.PPV.phsBC.cVal.ang.f[MX]":   "float32 -90",
		"PV1LD0/MMXU1.Hz.rangeC.llLim.f[CF]":      "float32 47.5",
		"PV1LD0/DGEN1.WMax.setMag.f[SP]":          "float32 100",
		"PV1LD0/DVVR1.VVArCrv.crvPts(3).yVal[SP]": "float32 -44",
		"PV1LD0/DWMX1.Beh.stVal[ST]":              "integer 5",
		"PV1LD0/DWMX1.WMaxSpt.ctlModel[CF]":       "integer 3",
		"PV1LD0/DWMX1.InEcpRef.setSrcRef[SP]":     `visible-string "PV1LD0/DECP1"`,
		"PV1LD0/MMTR1.SupWh.actVal[ST]":           "integer 412873",
		"PV1LD0/LLN0.NamPlt.ldNs[EX]":             `visible-string "IEC 61850-7-4:2007B4"`,
		"PV1LD0/FSCC1.Schd02.setSrcRef[SP]":       `visible-string "PV1LD0/FSCH2"`,
		"PV1LD0/FSCH2.StrTm02.setCal.hr[SP]":      "unsigned 11",
	}},
	{"battery.cid", "BAT1", "bat1@demo.example/IEC", map[string]string{
		"BAT1LD0/DSTO1.EffWhPct.mag.f[MX]":   "float32 64",
		"BAT1LD0/DBAT1.BatTyp.setVal[SP]":    "integer 4",
		"BAT1LD0/DAGC1.WSpt.minVal.f[CF]":    "float32 -100",
		"BAT1LD0/ZBAT1.BatLo.stVal[ST]":      "false",
		"BAT1LD0/FSCC1.CtlEnt.setSrcRef[SP]": `visible-string "BAT1LD0/DAGC1.WSpt"`,
	}},
	{"feeder.cid", "FDR1", "fdr1@demo.example/IEC", map[string]string{
		"FDR1LD0/XCBR1.Pos.stVal[ST]":             "bit-string 10",
		"FDR1LD0/CSWI1.Pos.ctlModel[CF]":          "integer 4",
		"FDR1LD0/CILO1.EnaOpn.stVal[ST]":          "true",
		"FDR1LD0/MMXU1.TotW.mag.f[MX]":            "float32 3120",
		"FDR1LD0/PTOC1.StrVal.setMag.f[SE] 2":     "float32 360",
		"FDR1LD0/PTOC2.OpDlTmms.setVal[SE] 1":     "integer 100",
		"FDR1LD0/PTOC2.OpDlTmms.units.SIUnit[CF]": "integer 4",
		"FDR1LD0/ATCC1.TapChg.ctlModel[CF]":       "integer 2",
		"FDR1LD0/ATCC1.TapChg.valWTr.posVal[ST]":  "integer 9",
		"FDR1LD0/GGIO1.ISCSO1.ctlModel[CF]":       "integer 3",
	}},
}

func parse(t *testing.T, file string) *scl.Document {
	t.Helper()
	f, err := os.Open(filepath.Join("scl", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func model(t *testing.T, d *scl.Document, ied string) *acsi.Model {
	t.Helper()
	m, findings, err := d.Model(ied, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("%s: %v", ied, f)
	}
	return m
}

// initial are the values of the model, as text, by reference.
func initial(m *acsi.Model) map[string]string {
	values := make(map[string]string)
	for _, ld := range m.LDs {
		for _, ln := range ld.LNs {
			for _, v := range ln.Values {
				key := v.Ref.String()
				if v.Group != 0 {
					key = fmt.Sprint(key, " ", v.Group)
				}
				values[key] = v.Value.String()
			}
		}
	}
	return values
}

func TestModelsHaveTheValuesThatTheDemoShows(t *testing.T) {
	for _, want := range models {
		t.Run(want.file, func(t *testing.T) {
			d := parse(t, want.file)
			got := initial(model(t, d, want.ied))
			for ref, v := range want.initial {
				if got[ref] != v {
					t.Errorf("%s = %q, want %q", ref, got[ref], v)
				}
			}
			if diff := cmp.Diff([]string{want.jid}, d.IEDs()[0].AccessPoints[0].JIDs); diff != "" {
				t.Errorf("address (-want +got):\n%s", diff)
			}
		})
	}
}

// An engineer who configures from the site's file gets the same IEDs as from their own files.
func TestSiteAgreesWithTheFilesOfItsIEDs(t *testing.T) {
	site := parse(t, "site.scd")
	if got, want := len(site.IEDs()), len(models); got != want {
		t.Errorf("site.scd has %d IEDs, want %d", got, want)
	}
	for i, one := range models {
		t.Run(one.ied, func(t *testing.T) {
			own := parse(t, one.file)
			if diff := cmp.Diff(own.IEDs()[0], site.IEDs()[i]); diff != "" {
				t.Errorf("IED (-%s +site.scd):\n%s", one.file, diff)
			}
			a, b := model(t, own, one.ied), model(t, site, one.ied)
			if !reflect.DeepEqual(a, b) { // cmp takes many seconds to find nothing, under the race detector
				t.Errorf("model (-%s +site.scd):\n%s", one.file, cmp.Diff(a, b, cmp.AllowUnexported(acsi.Ref{})))
			}
		})
	}
}

// file is what a data set or a control block refers to, as the XML has it.
type file struct {
	IEDs []struct {
		Name string `xml:"name,attr"`
		LDs  []struct {
			Inst string `xml:"inst,attr"`
			LN0  struct {
				DataSets []struct {
					Name    string `xml:"name,attr"`
					Members []struct {
						LDInst  string `xml:"ldInst,attr"`
						LNClass string `xml:"lnClass,attr"`
						LNInst  string `xml:"lnInst,attr"`
						DO      string `xml:"doName,attr"`
						FC      string `xml:"fc,attr"`
					} `xml:"FCDA"`
				} `xml:"DataSet"`
				Reports []controlBlock `xml:"ReportControl"`
				Logs    []controlBlock `xml:"LogControl"`
			} `xml:"LN0"`
		} `xml:"AccessPoint>Server>LDevice"`
	} `xml:"IED"`
}

type controlBlock struct {
	Name    string `xml:"name,attr"`
	DataSet string `xml:"datSet,attr"`
}

func TestDataSetsAndControlBlocksNameWhatExists(t *testing.T) {
	for _, one := range models {
		t.Run(one.file, func(t *testing.T) {
			m := model(t, parse(t, one.file), one.ied)
			text, err := os.ReadFile(filepath.Join("scl", one.file))
			if err != nil {
				t.Fatal(err)
			}
			var f file
			if err := xml.Unmarshal(text, &f); err != nil {
				t.Fatal(err)
			}
			for _, ld := range f.IEDs[0].LDs {
				sets := make(map[string]bool)
				for _, set := range ld.LN0.DataSets {
					sets[set.Name] = true
					for _, member := range set.Members {
						ref := one.ied + member.LDInst + "/" + member.LNClass + member.LNInst + "." + member.DO + "[" + member.FC + "]"
						fc, err := acsi.ParseFC(member.FC)
						if err != nil {
							t.Fatal(err)
						}
						ln := m.LD(one.ied + member.LDInst).LN(member.LNClass + member.LNInst)
						if ln == nil || ln.Node.Child(member.DO) == nil || ln.Node.Child(member.DO).Under(fc) == nil {
							t.Errorf("data set %s: there is no %s", set.Name, ref)
						}
					}
				}
				blocks := append(ld.LN0.Reports, ld.LN0.Logs...)
				if len(blocks) < 5 {
					t.Errorf("%d control blocks, want at least 5", len(blocks))
				}
				for _, b := range blocks {
					if !sets[b.DataSet] {
						t.Errorf("control block %s: there is no data set %q", b.Name, b.DataSet)
					}
				}
			}
		})
	}
}

// The demo shows each kind of control block and each kind of control.
func TestModelsHaveWhatTheDemoShows(t *testing.T) {
	blocks, ctlModels, classes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, one := range models {
		m := model(t, parse(t, one.file), one.ied)
		counts := m.Counts()
		for class := range counts.Blocks {
			blocks[class] = true
		}
		if counts.DataSets < 5 || m.Services.MaxDataSets == 0 || m.LDs[0].LN("LLN0").Logs == nil {
			t.Errorf("%s: %d data sets, abilities %+v", one.ied, counts.DataSets, m.Services)
		}
		for ref, v := range initial(m) {
			if strings.HasSuffix(ref, ".ctlModel[CF]") {
				ctlModels[v] = true
			}
		}
		for _, ln := range m.LDs[0].LNs {
			for _, do := range ln.Node.Children {
				if do.Kind == acsi.DataObjectNode && do.Under(acsi.CO) != nil {
					classes[do.CDC] = true
				}
			}
		}
	}
	for what, missing := range map[string][]string{
		"control block": without(blocks, acsi.BRCB, acsi.URCB, acsi.LCB, acsi.SGCB),
		"ctlModel":      without(ctlModels, "integer 0", "integer 1", "integer 2", "integer 3", "integer 4"),
		"control":       without(classes, "SPC", "DPC", "INC", "ENC", "APC", "BSC"),
	} {
		if missing != nil {
			t.Errorf("no %s %v in any of the models", what, missing)
		}
	}
}

// without are the words that are not in set.
func without(set map[string]bool, words ...string) (missing []string) {
	for _, w := range words {
		if !set[w] {
			missing = append(missing, w)
		}
	}
	return missing
}
