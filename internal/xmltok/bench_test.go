package xmltok

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"testing"
)

func report(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("../../testdata/bench/report50.xer")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkScan compares the scanner with encoding/xml over the same report of 50 structures.
func BenchmarkScan(b *testing.B) {
	doc := report(b)
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		s := NewBytesScanner(nil, Limits{})
		for b.Loop() {
			s.ResetBytes(doc)
			for {
				if _, err := s.Next(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("encodingxml", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			d := xml.NewDecoder(bytes.NewReader(doc))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkCanonicalize brings the report into its canonical form, which it has.
func BenchmarkCanonicalize(b *testing.B) {
	doc := report(b)
	dst := make([]byte, 0, len(doc))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Canonicalize(dst, doc, "", Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
