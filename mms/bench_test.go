package mms

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"testing"

	"busbar.example/value"
)

// report50 is a read response of 50 measured values {mag{f}, q, t}.
func report50() *ConfirmedResponse {
	values := make([]value.Value, 50)
	for i := range values {
		magnitude := math.Float32bits(float32(i) * 12.75)
		values[i] = value.StructureOf(
			value.StructureOf(value.FloatBits(magnitude)),
			value.Bits(13, nil),
			value.UTC(0x6957d1a58a3d700a+uint64(i)<<16),
		)
	}
	return readResponse(values...)
}

func BenchmarkReportEncode(b *testing.B) {
	pdu := report50()
	b.Run("XER", func(b *testing.B) { benchmarkEncode(b, AppendXER, pdu) })
	b.Run("BER", func(b *testing.B) { benchmarkEncode(b, AppendBER, pdu) })
	b.Run("reference-encoding-xml-Token", func(b *testing.B) { benchmarkReference(b, pdu) })
}

func BenchmarkReportDecode(b *testing.B) {
	pdu := report50()
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
