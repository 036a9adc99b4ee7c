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

// BenchmarkInner finds the ends of stanzas of a stream, as a server does that routes them: a hundred that carry a
// protected PDU of some 450 octets each.
func BenchmarkInner(b *testing.B) {
	const stanza = "<iq type='get' id='ODVQJ4QYXCPMW-1f' from='ems@dso.example/IEC-97a87740' to='pv1@dso.example/IEC'>" +
		"<association xmlns='http://www.iec.ch/62351/2018/ENV_4' assoID='696:908'>" +
		"<EncrTransfer xmlns='http://www.iec.ch/62351/2018/SecPDU_4'><tbp><token2><assoID>696:908</assoID><time>20261122100000,123Z</time>" +
		"<seq>17</seq><iv>AAAAAAAAAAAAAAAA</iv></token2><applData>"
	one := []byte(stanza)
	one = append(one, bytes.Repeat([]byte("q83vEjRWeJA+/Zm3"), 38)...)
	one = append(one, "</applData></tbp></EncrTransfer></association></iq>"...)
	doc := append([]byte("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"), bytes.Repeat(one, 100)...)
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	s := NewScanner(nil, Limits{})
	for n := 0; b.Loop(); n++ {
		if n%100 == 0 {
			s.Reset(bytes.NewReader(doc))
			if _, err := s.Next(); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := s.Next(); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Inner(); err != nil {
			b.Fatal(err)
		}
	}
}
