package scl

import (
	"os"
	"path/filepath"
	"testing"
)

// sharedFiles are the real files to try, or none with a message.
func sharedFiles(t testing.TB) []string {
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "scl")
	}
	var files []string
	for _, pattern := range []string{"*.scd", "*.icd", "*.cid"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skipf("no SCL files in %s: set BUSBAR_SCL to a folder of them", dir)
	}
	return files
}

func load(t testing.TB, file string) *Document {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func BenchmarkLargeSCD(b *testing.B) {
	for _, file := range sharedFiles(b) {
		if filepath.Base(file) != "autogen-substation-demo.scd" {
			continue
		}
		b.ReportAllocs()
		for b.Loop() {
			d := load(b, file)
			for _, ied := range d.IEDs() {
				for _, ap := range ied.AccessPoints {
					if ap.Server {
						if _, _, err := d.Model(ied.Name, ap.Name); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		}
	}
}
