package mms

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"testing"
)

// report50 is a report of 50 measured values {mag{f}, q, t}, each with its reason.
func report50(t testing.TB) PDU {
	b, err := os.ReadFile("../testdata/bench/report50.xer")
	if err != nil {
		t.Fatal(err)
	}
	p, err := DecodeXER(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkReportEncode(b *testing.B) {
	pdu := report50(b)
	b.Run("XER", func(b *testing.B) { benchmarkEncode(b, AppendXER, pdu) })
	b.Run("BER", func(b *testing.B) { benchmarkEncode(b, AppendBER, pdu) })
	b.Run("reference-encoding-xml-Token", func(b *testing.B) { benchmarkReference(b, pdu) })
}

func BenchmarkReportDecode(b *testing.B) {
	pdu := report50(b)
	b.Run("XER", func(b *testing.B) { benchmarkDecode(b, AppendXER, DecodeXER, pdu) })
	b.Run("BER", func(b *testing.B) { benchmarkDecode(b, AppendBER, DecodeBER, pdu) })
	b.Run("reference-encoding-xml-Token", func(b *testing.B) { benchmarkReference(b, pdu) })
}

func benchmarkEncode(b *testing.B, encode func([]byte, PDU) ([]byte, error), pdu PDU) {
	dst, err := encode(nil, pdu)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = encode(dst[:0], pdu); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkDecode(b *testing.B, encode func([]byte, PDU) ([]byte, error), decode func([]byte, Limits) (PDU, error), pdu PDU) {
	octets, err := encode(nil, pdu)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(octets)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(octets, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkReference reads the tokens of the XER of pdu with encoding/xml: what the other times are compared with.
func benchmarkReference(b *testing.B, pdu PDU) {
	octets, err := AppendXER(nil, pdu)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(octets)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(bytes.NewReader(octets))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}
