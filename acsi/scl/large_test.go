package scl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
)

// largeSCD is a real file of 2.3 MB with ten servers.
func largeSCD(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "scl")
	}
	file := filepath.Join(dir, "autogen-substation-demo.scd")
	if _, err := os.Stat(file); err != nil {
		tb.Skipf("SKIP %v: set BUSBAR_SCL to a folder of SCL files of others", err)
	}
	return file
}

func TestLargeFileTakesLittleMemory(t *testing.T) {
	file := largeSCD(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m, _, err := parseFile(t, file).Model("AA2__E01Q01A1", "")
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; err != nil || got > 100 {
		t.Errorf("%d MiB allocated, want at most 100; %v", got, err)
	}
	runtime.KeepAlive(m)
}

// BenchmarkLargeSCD reads a file and makes the engines of all its servers, and reports the most memory that the process
// ever had.
func BenchmarkLargeSCD(b *testing.B) {
	file := largeSCD(b)
	b.ReportAllocs()
	for b.Loop() {
		d := parseFile(b, file)
		var engines []*server.Engine
		for _, ied := range d.IEDs() {
			for _, ap := range ied.AccessPoints {
				if ap.Server {
					engines = append(engines, engine(b, d, ied.Name, ap.Name))
				}
			}
		}
		if len(engines) != 10 {
			b.Fatalf("%d servers", len(engines))
		}
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		var kB float64
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Sscan(peak, &kB)
		b.ReportMetric(kB/1000, "peak-RSS-MB")
	}
}

func engine(tb testing.TB, d *scl.Document, ied, ap string) *server.Engine {
	tb.Helper()
	m, _, err := d.Model(ied, ap)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := server.New(server.Config{Model: m})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}
