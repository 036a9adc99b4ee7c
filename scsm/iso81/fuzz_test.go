package iso81

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"busbar.example/internal/asn1/ber"
)

// seed adds the octets of a layer's vectors.
func seed(f *testing.F, layer string, add func(v vector, b []byte)) {
	_, all := readVectors(f, layer)
	for _, v := range all {
		add(v, octets(f, v.hex))
	}
}

// Whatever comes is read to its end, the same whole as octet by octet, and no TSDU is longer than allowed.
func FuzzTPKT(f *testing.F) {
	a := &Association{mostData: 100}
	f.Add(a.frame(a.frame(nil, make([]byte, 250)), []byte{9, 0}))
	f.Add(octets(f, "0300000702f000 0300000802f08041 0300000b06800001000780"))
	seed(f, "tpkt", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, wire []byte) {
		read := func(conn io.Reader) (all [][]byte, err error) {
			r := reader{conn: conn, mostTSDU: 300, mostTPDU: 200}
			for {
				tsdu, err := r.next()
				if err != nil {
					return all, err
				}
				if len(tsdu) == 0 || len(tsdu) > 300 {
					t.Fatalf("a TSDU of %d octets", len(tsdu))
				}
				all = append(all, bytes.Clone(tsdu))
			}
		}
		whole, err := read(bytes.NewReader(wire))
		single, again := read(iotest.OneByteReader(bytes.NewReader(wire)))
		if len(whole) != len(single) || err.Error() != again.Error() {
			t.Fatalf("%x: %d TSDUs, then %v; by octets %d, then %v", wire, len(whole), err, len(single), again)
		}
		for i := range whole {
			if !bytes.Equal(whole[i], single[i]) {
				t.Fatalf("TSDU %d: %x, by octets %x", i, whole[i], single[i])
			}
		}
	})
}

// What is read of a TPDU is read again of what is written of it.
func FuzzCOTP(f *testing.F) {
	seed(f, "cotp", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < tpktLeast-tpktHeader || len(b) > 255 {
			return
		}
		pdu, err := parseTPDU(b)
		if err != nil {
			return
		}
		if cc, agreed := pdu.answerCR(defaultTPDU, 1); agreed < leastTPDU || agreed > defaultTPDU || cc.size > defaultTPDU || cc.preferred > defaultTPDU {
			t.Fatalf("%x: %d octets are agreed on, answer %+v", b, agreed, cc)
		}
		if pdu.code == codeDT || pdu.code == codeER {
			return
		}
		again, err := parseTPDU(pdu.append(nil)[tpktHeader:])
		if err != nil || again.src != pdu.src || again.dst != pdu.dst || !bytes.Equal(again.called, pdu.called) || again.reason != pdu.reason {
			t.Fatalf("%x: %+v, and again %+v, %v", b, pdu, again, err)
		}
	})
}

// What is read of an SPDU is read again of what is written of it.
func FuzzSession(f *testing.F) {
	seed(f, "session", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSPDU(b)
		if err != nil || s.kind == siData || s.kind == siPleaseTokens || len(b) > 60_000 {
			return
		}
		again, err := parseSPDU(s.append(nil))
		if err != nil || again.kind != s.kind || s.kind != siRefuse && !bytes.Equal(again.data, s.data) {
			t.Fatalf("%x: %+v, and again %+v, %v", b, s, again, err)
		}
	})
}

// What is read of a PPDU is written and read again; and the short way through data agrees with the plan.
func FuzzPresentation(f *testing.F) {
	names := []string{"CP", "CPA", "CPR", "abort", "data"}
	seed(f, "presentation", func(v vector, b []byte) {
		for i, name := range names {
			if name == v.kind {
				f.Add(byte(i), b)
			}
		}
	})
	f.Add(byte(4), encode(userDataType, inContext(ourMMS, make([]byte, 300))))
	prefix := dataPrefix{contextOctets(ourMMS)}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		k := kinds[names[int(kind)%len(names)]]
		again(t, names[int(kind)%len(names)], b)
		if k.plan != userDataType {
			return
		}
		tsdu := append([]byte(sessionData), b...)
		pdu, short := prefix.open(tsdu)
		m := machine{state: established, mms: ourMMS}
		st := m.input(tsdu)
		if short && firstEncoding(pdu) == len(pdu) && ber.Decode(b, userDataType, new(userData), limits) == nil && (len(st.pdus) != 1 || !bytes.Equal(st.pdus[0], pdu)) {
			t.Fatalf("%x: the short way gives %x, the plan %x, %v", b, pdu, st.pdus, st.ended)
		}
	})
}

// What is read of an APDU is written and read again.
func FuzzACSE(f *testing.F) {
	seed(f, "acse", func(_ vector, b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, "", b)
		var a apdu
		if lenience(false).decode(LayerACSE, "", b, apduType, &a) != nil {
			return
		}
		if aarq, ok := a.(*associateRequest); ok {
			titleText(aarq.CalledAPTitle)
			qualifierText(aarq.CallingAEQualifier)
			link := &Association{cfg: &Config{}, seen: new(signatures)}
			link.readProof(new(Credentials), aarq)
			m := machine{mms: ourMMS}
			m.inputAARQ(aarq, true)
		}
	})
}

// again reads, writes and reads.
func again(t *testing.T, kind string, b []byte) {
	t.Helper()
	got, written, err := read("presentation", kind, b)
	if err != nil {
		return
	}
	_, twice, err := read("presentation", kind, written)
	if err != nil || !bytes.Equal(written, twice) {
		t.Fatalf("%x: %+v, written %x, and again %x, %v", b, got, written, twice, err)
	}
}

// Whatever a peer says, in whatever state, the machine answers or ends, and what it answers can be read.
func FuzzMachine(f *testing.F) {
	client := &machine{called: defaultCalled, calling: defaultCalling}
	server := &machine{}
	connect := client.connect(nil, initiate())
	server.input(connect)
	accept := server.accept(initiate())
	f.Add(byte(0), connect, client.finish())
	f.Add(byte(1), accept, server.abort(abortByUser))
	f.Add(byte(1), server.reject(DiagnosticNoReason, nil), accept)
	f.Add(byte(2), append([]byte(sessionData), encode(userDataType, inContext(ourMMS, initiate()))...), client.finish())
	seed(f, "session", func(_ vector, b []byte) { f.Add(byte(2), b, b) })
	f.Fuzz(func(t *testing.T, how byte, first, second []byte) {
		m := &machine{lenient: lenience(how&4 == 0)}
		switch how & 3 {
		case 1:
			m.connect(nil, initiate())
		case 2:
			m.state, m.acse, m.mms = established, acseContext, ourMMS
		case 3:
			m.state, m.acse, m.mms = releasing, acseContext, ourMMS
		}
		for _, tsdu := range [][]byte{first, second} {
			st := m.input(tsdu)
			if (m.state == over) != (st.ended != nil) {
				t.Fatalf("%x: state %v, ended %v", tsdu, m.state, st.ended)
			}
			if len(st.send) > 0 {
				if _, err := parseSPDU(st.send); err != nil {
					t.Fatalf("%x: it answers %x: %v", tsdu, st.send, err)
				}
			}
			if st.ended != nil {
				return
			}
			if m.state == asked {
				m.accept(initiate())
			}
		}
	})
}
