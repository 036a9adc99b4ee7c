package scl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/scl"
	"busbar.example/internal/testbed"
	"busbar.example/secure/rbac"
	"github.com/google/go-cmp/cmp"
)

// files are ours and, where they are, the real ones that others made.
func files(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "scl")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Logf("SKIP the files of others: there is no %s: set BUSBAR_SCL to a folder of them", dir)
	}
	var all []string
	for _, dir := range []string{"testdata", filepath.Join("..", "..", "app", "demo", "scl"), dir} {
		for _, pattern := range []string{"*.[ci]id", "*.icd", "*.scd"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
		}
	}
	return all
}

func parseFile(t testing.TB, file string) *scl.Document {
	t.Helper()
	f, err := os.Open(file)
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

// tallyOf is the report's count in the words of the oracle.
func tallyOf(c acsi.Counts) tally {
	sum := tally{}
	for what, n := range map[string]int{"LD": c.LDs, "LN": c.LNs, "DO": c.DOs, "SDO": c.SDOs, "DataSet": c.DataSets, "FCDA": c.Members} {
		if n > 0 {
			sum[what] = n
		}
	}
	for fc, n := range c.Leaves {
		sum[fc.String()] = n
	}
	for class, n := range c.Blocks {
		sum[class] = n
	}
	return sum
}

// browse counts what a client finds.
func browse(t *testing.T, services acsi.Services) tally {
	t.Helper()
	sum := tally{}
	err := client.New(services).Walk(t.Context(), acsi.Ref{}, func(o client.Object) error {
		if class := blockClass(o); class != "" {
			if o.Ref.Depth() == 3 {
				sum[class]++
			}
			return nil
		}
		switch kind := o.Kind(); {
		case kind <= acsi.SubDataObjectNode && o.Node != nil && o.Node.Count > 0: // its elements come by themselves
		case kind <= acsi.SubDataObjectNode:
			sum[kind.String()]++
		case o.Node.IsLeaf():
			sum[o.Ref.FC().String()] += max(1, o.Node.Count)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// blockClass is the class of the control block that o is, or is in.
func blockClass(o client.Object) string {
	if o.Ref.Depth() < 3 || o.Node == nil {
		return ""
	}
	if do, _, _ := strings.Cut(strings.TrimPrefix(o.Ref.Item(), o.Ref.LN()+"."), "."); do == acsi.SGCB {
		return acsi.SGCB
	}
	return map[acsi.FC]string{acsi.BR: acsi.BRCB, acsi.RP: acsi.URCB, acsi.LG: acsi.LCB, acsi.GO: acsi.GoCB, acsi.MS: acsi.MSVCB,
		acsi.US: acsi.USVCB}[o.Node.FCs()[0]]
}

// What the check says is served, and what a client finds over XMPP and over TCP, is what another reading of the XML counts.
//
// Conformance: sCnf2, sSrv3, sSrv4.
func TestEveryIEDIsServedWholly(t *testing.T) {
	var beds []*testbed.Bed
	var peers []*testbed.Party
	for _, m := range []testbed.Mode{testbed.Encrypted, testbed.TCP} {
		bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener()})
		beds, peers = append(beds, bed), append(peers, bed.Party("browser", rbac.Engineer))
	}
	served := 0
	for _, file := range files(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			d, want, said := parseFile(t, file), newOracle(t, file).servers(), map[[2]string]tally{}
			report := d.Check("")
			for _, s := range report.Servers {
				said[[2]string{s.IED, s.AccessPoint}] = tallyOf(s.Counts)
			}
			if diff := cmp.Diff(want, said); diff != "" {
				t.Errorf("the check (-want +got):\n%s", diff)
			}
			browsed := 0
			for _, s := range report.Servers {
				if s.At != "" || scl.RaceEnabled && browsed == 1 {
					continue // it is another's, or with the race detector one of a file is enough
				}
				browsed++
				m, _, err := d.Model(s.IED, s.AccessPoint)
				if err != nil {
					t.Fatal(err)
				}
				served++
				account := fmt.Sprint("ied", served)
				found := want[[2]string{s.IED, s.AccessPoint}]
				delete(found, "DataSet") // these are not looked for
				delete(found, "FCDA")
				for i, bed := range beds {
					_, ied := bed.IED(account, m)
					if diff := cmp.Diff(found, browse(t, peers[i].Associate(account))); diff != "" {
						t.Errorf("%s %s over %v (-want +got):\n%s", s.IED, s.AccessPoint, bed.Mode(), diff)
					}
					ied.Close()
				}
			}
		})
	}
	if served < 5 {
		t.Errorf("%d IEDs were served", served)
	}
}
