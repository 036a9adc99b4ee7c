//go:build interop

package interop_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi/scl"
)

// TestPythonCountsTheSameInSCL has a program of Python's ElementTree count what each server of each file holds.
func TestPythonCountsTheSameInSCL(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing: install the package python3")
		}
		t.Skip("python3 is missing: install the package python3")
	}
	shared := os.Getenv("BUSBAR_SCL")
	if shared == "" {
		shared = "../../shared/scl"
	}
	if _, err := os.Stat(shared); err != nil {
		t.Logf("SKIP the files of others: there is no %s: set BUSBAR_SCL to a folder of them", shared)
	}
	compared := 0
	for _, pattern := range []string{"../acsi/scl/testdata/*.?[ci]d", "../app/demo/scl/*.?[ci]d", shared + "/*.?[ci]d"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				text, err := exec.Command("python3", filepath.Join("testdata", "scl_count.py"), file).Output()
				if err != nil {
					t.Fatal(err)
				}
				var want map[string]map[string]int
				if err := json.Unmarshal(text, &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, counted(t, file)); diff != "" {
					t.Errorf("(-ElementTree +Busbar):\n%s", diff)
				}
				compared += len(want)
			})
		}
	}
	if compared < 5 {
		t.Errorf("%d servers were compared", compared)
	}
}

// counted is what Busbar serves of a file, in the words of the program.
func counted(t *testing.T, file string) map[string]map[string]int {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]int{}
	for _, s := range d.Check("").Servers {
		if s.At != "" {
			continue // it is another's
		}
		c := s.Counts
		one := map[string]int{"LD": c.LDs, "LN": c.LNs, "DO": c.DOs, "SDO": c.SDOs, "DataSet": c.DataSets, "FCDA": c.Members}
		for fc, n := range c.Leaves {
			one[fc.String()] = n
		}
		maps.Copy(one, c.Blocks)
		maps.DeleteFunc(one, func(_ string, n int) bool { return n == 0 })
		all[s.IED+" "+s.AccessPoint] = one
	}
	return all
}
