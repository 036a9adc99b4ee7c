package iso81

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	must(t, err)
	return b
}

// What a transport connection is asked for with, and what comes of it. ISO/IEC 8073, 6.5; RFC 1006, Section 5.
func TestTransportConnections(t *testing.T) {
	const tail = "c0010a c1020001 c2020001"
	own := ServerConfig{Config: Config{Called: Address{TSelector: []byte{0, 1}}}}
	cases := []struct {
		name, cr string
		strict   bool
		want     string // the TPDU that answers, without its reference; empty: the connection is closed
	}{
		{"as usual", "11 e0 0000 0007 00" + tail, false, "11 d0 0007 .... 00 c0010a c1020001 c2020001"},
		{"without parameters", "06 e0 0000 0007 00", false, "06 d0 0007 .... 00"},
		{"larger than we want", "09 e0 0000 0007 00 c00110", false, "09 d0 0007 .... 00 c0010d"},
		{"128 octets", "09 e0 0000 0007 00 c00107", false, "09 d0 0007 .... 00 c00107"},
		{"preferred size", "0a e0 0000 0007 00 f00203ff", false, "0a d0 0007 .... 00 f0020040"},
		{"unknown parameters", "0f e0 0000 0007 00 c60102 850200ff 8700", false, "06 d0 0007 .... 00"},
		{"class 4 with the alternative 0", "09 e0 0000 0007 40 c70100", false, "06 d0 0007 .... 00"},
		{"class 1, which implies 0", "06 e0 0000 0007 10", false, "06 d0 0007 .... 00"},
		{"class 4 alone", "06 e0 0000 0007 40", false, "06 80 0007 0000 82"},
		{"class 2 with the alternative 1", "09 e0 0000 0007 20 c70110", false, "06 80 0007 0000 82"},
		{"another selector than ours", "0a e0 0000 0007 00 c2020002", false, "06 80 0007 0000 03"},
		{"user data", "06 e0 0000 0007 00 414243", false, "06 d0 0007 .... 00"},
		{"user data, strictly", "06 e0 0000 0007 00 414243", true, "06 80 0007 0000 00"},
		{"destination reference", "06 e0 0001 0007 00", false, "06 d0 0007 .... 00"},
		{"destination reference, strictly", "06 e0 0001 0007 00", true, "06 80 0007 0000 00"},
		{"DT before CR", "02 f0 80 0d00", false, ""},
		{"CC", "06 d0 0000 0007 00", false, ""},
		{"TPDU size 6", "09 e0 0000 0007 00 c00106", false, ""},
		{"parameter cut short", "09 e0 0000 0007 00 c00501", false, ""},
		{"header longer than the packet", "40 e0 0000 0007 00", false, ""},
		{"unknown code", "06 20 0000 0007 00", false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := own
			cfg.Strict = c.strict
			s := serve(t, cfg)
			r := s.dial()
			b := append([]byte{3, 0, 0, 0}, octets(t, c.cr)...)
			putPacketHeader(b)
			r.write(b)
			if c.want == "" {
				r.closed()
				s.outcome()
				return
			}
			must(t, r.in.fill(tpktLeast))
			n, err := packetLength(r.in.buf[r.in.start:])
			must(t, err)
			must(t, r.in.fill(n))
			got := hex.EncodeToString(r.in.take(n)[tpktHeader:])
			if want := strings.ReplaceAll(c.want, " ", ""); !matches(want, got) {
				t.Errorf("%s: got %s, want %s", c.cr, got, want)
			}
			r.conn.Close()
			s.outcome()
		})
	}
}

// matches compares with dots that stand for anything.
func matches(pattern, s string) bool {
	if len(pattern) != len(s) {
		return false
	}
	for i := range s {
		if pattern[i] != '.' && pattern[i] != s[i] {
			return false
		}
	}
	return true
}

// What ends an association at once, and how the peer is told. The server goes on with others.
func TestWhatABrokenPeerSends(t *testing.T) {
	data := func(text string) func(*raw) { return func(r *raw) { r.send(octets(r.t, text)) } }
	wire := func(text string) func(*raw) { return func(r *raw) { r.write(octets(r.t, text)) } }
	cases := []struct {
		name string
		send func(*raw)
		told string // how the association is aborted; empty: the connection is closed
		want string // what the server says
	}{
		{"TPKT version", wire("04000007 02f080"), "", "TPKT protocol error"},
		{"TPKT length", wire("03000006 02f0"), "", "TPKT protocol error"},
		{"HTTP", wire(hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n"))), "", "TPKT protocol error"},
		{"a second CR", func(r *raw) { cr := tpdu{code: codeCR, src: 8}; r.write(cr.append(nil)) }, "", "COTP protocol error"},
		{"DR", wire("0300000b 06 80 0001 0007 80"), "", "COTP: normal disconnect"},
		{"ER", wire("03000009 04 70 0001 00"), "", "COTP: it rejects"},
		{"an empty DT", wire("03000007 02f000"), "", "an empty DT"},
		{"an empty TSDU", wire("03000007 02f080"), "", "an empty DT"},
		{"a TSDU that is too long", func(r *raw) { r.send(make([]byte, 70_000)) }, "", "a TSDU of more than"},
		{"SPDU cut short", data("0d ff 00"), "session: protocol error", "session protocol error"},
		{"unknown SPDU", data("1d 00"), "session: protocol error", "session protocol error"},
		{"a second CONNECT", func(r *raw) { r.send(r.m.connect(nil, initiate())); r.m.state = established }, "session: protocol error", "SPDU 13 while established"},
		{"ACCEPT", data("0e 00"), "session: protocol error", "SPDU 14 while established"},
		{"PREPARE", data("07 00"), "session: protocol error", "SPDU 7 while established"},
		{"typed data", data("21 00"), "session: protocol error", "SPDU 33 while established"},
		{"DISCONNECT unasked", data("0a 00"), "session: protocol error", "SPDU 10 while established"},
		{"a segmented SSDU", data("0100 0103 190101 61"), "session: protocol error", "segmented"},
		{"PLEASE TOKENS alone", data("0200"), "session: protocol error", "PLEASE TOKENS"},
		{"no user data", data("0100 0100"), "presentation: unrecognized PPDU", "presentation protocol error"},
		{"no PPDU", data("0100 0100 30 03 020101"), "presentation: unrecognized PPDU", "presentation protocol error"},
		{"empty user data", data("0100 0100 61 00"), "presentation: invalid PPDU parameter value", "without values"},
		{"context of ACSE", data("0100 0100 61 09 30 07 020101 a002 6400"), "presentation: invalid PPDU parameter value", "context 1"},
		{"unknown context", data("0100 0100 61 09 30 07 020109 a002 8b00"), "presentation: invalid PPDU parameter value", "context 9"},
		{"other transfer syntax", data("0100 0100 61 0d 30 0b 06025102 020103 a002 8b00"), "presentation: invalid PPDU parameter value", "transfer syntax 2.1.2"},
		{"bits that are no octets", data("0100 0100 61 0a 30 08 020103 8203 048b00"), "presentation: invalid PPDU parameter value", "not whole octets"},
		{"octets that are no encodings", data("0100 0100 61 09 30 07 020103 8102 8b05"), "presentation: invalid PPDU parameter value", "no encodings"},
		{"FINISH with another APDU", data("09 0f c10d 61 0b 30 09 020101 a004 64028000"), "ACSE: by its provider", "ACSE protocol error"},
		{"user abort of ACSE", func(r *raw) { r.send(r.m.abort(abortByUser)) }, "", "ACSE: by its user"},
		{"provider abort of presentation", func(r *raw) {
			r.send(r.m.violated(protocolError(LayerPresentation, "")).send)
		}, "", "presentation: invalid PPDU"},
		{"session abort", data("19 03 110105"), "", "session: protocol error"},
		{"abort that cannot be read", data("19 04 c1023000"), "", "presentation"},
		{"an answer to nothing", func(r *raw) {
			r.data(&mms.ConfirmedResponse{InvokeID: 9, Service: &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{mms.ObjectUndefined}}})
		}, "ACSE: by its user", "invokeID 9"},
		{"an answer that cannot be read", func(r *raw) { r.octets(octets(r.t, "a1 05 020101 8f00")) }, "ACSE: by its user", "an answer that cannot be read"},
	}
	for _, strict := range []bool{false, true} {
		s := serve(t, ServerConfig{Config: Config{Strict: strict}})
		for _, c := range cases {
			name := c.name + "/lenient"
			if strict {
				name = c.name + "/strict"
			}
			t.Run(name, func(t *testing.T) {
				s.t = t
				r := s.dial()
				r.associate()
				r.reads(1)
				c.send(r)
				if c.told != "" {
					var aborted *AbortedError
					if st := r.step(); !errors.As(st.ended, &aborted) || !strings.Contains(st.ended.Error(), c.told) {
						t.Errorf("the peer is told %v, want %q", st.ended, c.told)
					}
				}
				r.closed()
				if err := s.outcome(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("the server says %v, want %q", err, c.want)
				}
				s.stillServes()
			})
		}
	}
}

// What is wrong with a request ends nothing. ISO 9506-2, RejectPDU.
func TestRequestsThatAreRejected(t *testing.T) {
	s := serve(t, ServerConfig{})
	r := s.dial()
	r.associate()
	id := uint32(5)
	cases := []struct {
		name, octets string
		want         *mms.Reject
	}{
		{"a service that nobody serves", "a0 06 020105 9f5000", &mms.Reject{OriginalInvokeID: &id, RejectReason: mms.RejectUnrecognizedService}},
		{"an argument that cannot be read", "a0 07 020105 a402 0500", &mms.Reject{OriginalInvokeID: &id, RejectReason: mms.RejectInvalidArgument}},
		{"a modifier", "a0 08 020105 3003 800101", &mms.Reject{OriginalInvokeID: &id, RejectReason: mms.RejectUnrecognizedModifier}},
		{"no PDU", "30 00", &mms.Reject{RejectReason: mms.PDUErrorUnknownPDUType}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r.octets(octets(t, c.octets))
			got, ok := r.pdu().(*mms.Reject)
			if !ok || got.RejectReason != c.want.RejectReason || (got.OriginalInvokeID == nil) != (c.want.OriginalInvokeID == nil) {
				t.Errorf("%s: got %+v, want %+v", c.octets, got, c.want)
			}
			r.reads(6)
		})
	}
	r.octets(octets(t, "a3 02 a000")) // an unconfirmed PDU is passed over
	r.reads(7)
}

// Who asks for more than was agreed on is told so, and goes on. Nothing grows.
func TestMoreRequestsThanAgreed(t *testing.T) {
	s := serve(t, ServerConfig{})
	r := s.dial()
	r.associate()
	const n = 2000
	var all []byte
	for id := range uint32(n) {
		b, err := mms.AppendBER(nil, readX(id))
		must(t, err)
		all = r.a.frame(all, append([]byte(sessionData), encode(userDataType, inContext(r.m.mms, b))...))
	}
	go r.conn.Write(all)
	answered, refused := 0, 0
	for range n {
		switch p := r.pdu().(type) {
		case *mms.ConfirmedResponse:
			answered++
		case *mms.Reject:
			if p.RejectReason != mms.RejectMaxServOutstandingExceeded {
				t.Fatalf("got %v", p.RejectReason)
			}
			refused++
		default:
			t.Fatalf("got %T", p)
		}
	}
	if answered == 0 {
		t.Errorf("%d answered, %d refused", answered, refused)
	}
	r.reads(n)
}

// What a peer may do though it is odd. Strictly, some of it ends the association.
func TestOddPeers(t *testing.T) {
	request := func(id byte) string {
		return "a0 10 0201" + hex.EncodeToString([]byte{id}) + " a40b a109 a007 3005 a003 800178"
	}
	cases := []struct {
		name   string
		strict bool // it is right
		tsdu   string
	}{
		{"GIVE TOKENS and DATA TRANSFER", true, "0100 0100 61 19 30 17 020103 a012" + request(1)},
		{"a token item", true, "0103 100100 0100 61 19 30 17 020103 a012" + request(1)},
		{"enclosure of a whole SSDU", true, "0100 0103 190103 61 19 30 17 020103 a012" + request(1)},
		{"DATA TRANSFER alone", false, "0100 61 19 30 17 020103 a012" + request(1)},
		{"simply encoded", false, "0100 0100 40 12" + request(1)},
		{"octet aligned", true, "0100 0100 61 19 30 17 020103 8112" + request(1)},
		{"long lengths", true, "0100 0100 61 82001d 30 83 000018 020103 a0 8112" + request(1)},
		{"indefinite lengths", true, "0100 0100 61 80 30 80 020103 a0 80" + request(1) + "0000 0000 0000"},
		{"transfer syntax named", true, "0100 0100 61 1d 30 1b 06025101 020103 a012" + request(1)},
		{"context in two octets", false, "0100 0100 61 1a 30 18 02020003 a012" + request(1)},
	}
	for _, c := range cases {
		for _, strict := range []bool{false, true} {
			name := c.name + "/lenient"
			if strict {
				name = c.name + "/strict"
			}
			t.Run(name, func(t *testing.T) {
				s := serve(t, ServerConfig{Config: Config{Strict: strict}})
				r := s.dial()
				r.associate()
				r.send(octets(t, c.tsdu))
				if strict && !c.strict {
					if st := r.step(); st.ended == nil {
						t.Errorf("%s: got %+v, want an abort", c.tsdu, st)
					}
					return
				}
				if got, ok := r.pdu().(*mms.ConfirmedResponse); !ok || got.InvokeID != 1 {
					t.Errorf("%s: got %+v, want the answer", c.tsdu, got)
				}
			})
		}
	}
	t.Run("two PDUs in one TSDU", func(t *testing.T) {
		r := serve(t, ServerConfig{}).dial()
		r.associate()
		r.send(octets(t, "0100 0100 61 32 30 17 020103 a012"+request(1)+"30 17 020103 a012"+request(2)))
		for id := range uint32(2) {
			if got, ok := r.pdu().(*mms.ConfirmedResponse); !ok || got.InvokeID != id+1 {
				t.Errorf("got %+v, want the answer to %d", got, id+1)
			}
		}
	})
	t.Run("TPDUs longer than agreed", func(t *testing.T) {
		r := serve(t, ServerConfig{}).dial()
		r.associate()
		r.a.mostData = 60000
		r.data(&mms.ConfirmedRequest{InvokeID: 1, Service: &mms.ReadRequest{VariableAccessSpecification: slicesOf(300)}})
		if got, ok := r.pdu().(*mms.ConfirmedResponse); !ok || got.InvokeID != 1 {
			t.Errorf("got %+v, want the answer", got)
		}
	})
	t.Run("one octet in a TPDU, one octet in a segment", func(t *testing.T) {
		r := serve(t, ServerConfig{}).dial()
		r.transport()
		r.a.mostData = 1
		for _, b := range r.a.frame(nil, r.m.connect(nil, initiate())) {
			r.write([]byte{b})
		}
		if st := r.step(); st.ended != nil {
			t.Fatal(st.ended)
		}
		r.reads(1)
	})
}

func slicesOf(n int) mms.ListOfVariable {
	list := mms.ListOfVariable{}
	for range n {
		list = append(list, readX(0).Service.(*mms.ReadRequest).VariableAccessSpecification.(mms.ListOfVariable)...)
	}
	return list
}

// How an association ends in order, and what counts as that.
func TestEnds(t *testing.T) {
	conclude := func(r *raw) {
		r.data(&mms.ConcludeRequest{})
		if _, ok := r.pdu().(*mms.ConcludeResponse); !ok {
			r.t.Error("the conclude is not answered")
		}
	}
	finish := func(r *raw) {
		r.send(r.m.finish())
		if st := r.step(); st.ended == nil || st.ended.Error() != "EOF" {
			r.t.Errorf("got %v, want a DISCONNECT", st.ended)
		}
	}
	cases := []struct {
		name string
		end  func(*raw)
		ok   bool
	}{
		{"conclude, then FINISH", func(r *raw) { conclude(r); finish(r) }, true},
		{"conclude, then nothing but the end of TCP", func(r *raw) { conclude(r); r.conn.Close() }, true},
		{"conclude, then ABORT", func(r *raw) { conclude(r); r.send(r.m.abort(abortByUser)) }, true},
		{"FINISH without conclude", finish, true},
		{"FINISH without RLRQ", func(r *raw) {
			r.send(octets(r.t, "0900"))
			r.m.state = releasing
			if st := r.step(); st.ended == nil {
				r.t.Errorf("got %+v, want a DISCONNECT", st)
			}
		}, true},
		{"the end of TCP", func(r *raw) { r.conn.Close() }, false},
		{"the end of TCP in the middle of a packet", func(r *raw) { r.write([]byte{3, 0, 0, 50, 2, 0xf0, 0x80, 1}); r.conn.Close() }, false},
		{"a reset", func(r *raw) { r.conn.(*net.TCPConn).SetLinger(0); r.conn.Close() }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, ServerConfig{})
			r := s.dial()
			r.associate()
			c.end(r)
			err := s.outcome()
			if (err == nil) != c.ok || err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("the server says %v", err)
			}
		})
	}
}

// Why an association is refused, and how the peer is told. ITU-T X.225, 7.3; X.226, 6.2; X.227, 7.1.
//
// Conformance: sAssN2.
func TestAssociationsThatAreRefused(t *testing.T) {
	own := ServerConfig{Config: Config{Called: defaultCalled}}
	own.Subject = func(c Credentials) (rbac.Subject, error) {
		if string(c.Password) != "right" {
			return rbac.Subject{}, Refuse(DiagnosticAuthenticationRequired, errors.New("no password, or another"))
		}
		return rbac.Subject{Name: "ems"}, nil
	}
	right := &proof{passwordMechanism, charString("right")}
	// edit makes a CONNECT of which what edit changes is different.
	edit := func(change func(*spdu, *connectPPDU, *associateRequest)) func(*raw) {
		return func(r *raw) {
			s, err := parseSPDU(r.m.connect(right, initiate()))
			must(r.t, err)
			var cp connectPPDU
			if err := r.m.decode(LayerPresentation, "", s.data, connectType, &cp); err != nil {
				r.t.Fatal(err)
			}
			value, _ := r.m.acseValue(cp.Normal.UserData)
			var a apdu
			if err := r.m.decode(LayerACSE, "", value, apduType, &a); err != nil {
				r.t.Fatal(err)
			}
			aarq := a.(*associateRequest)
			change(&s, &cp, aarq)
			if cp.Normal != nil && cp.Normal.UserData != nil {
				cp.Normal.UserData = r.m.inACSE(aarq)
			}
			if s.data != nil {
				s.data = encode(connectType, &cp)
			}
			r.send(s.append(nil))
		}
	}
	none := versionBits(2)
	cases := []struct {
		name string
		send func(*raw)
		want string // what the peer learns; empty: it is taken
	}{
		{"as usual", edit(func(*spdu, *connectPPDU, *associateRequest) {}), ""},
		{"session version 1", edit(func(s *spdu, _ *connectPPDU, _ *associateRequest) { s.version = version1 }), ""},
		{"session version 3", edit(func(s *spdu, _ *connectPPDU, _ *associateRequest) { s.version = 4 }), "session: proposed protocol versions not supported"},
		{"half duplex", edit(func(s *spdu, _ *connectPPDU, _ *associateRequest) { s.units = 1 }), "session: implementation restriction"},
		{"many functional units", edit(func(s *spdu, _ *connectPPDU, _ *associateRequest) { s.units = defaultUnits | duplex }), ""},
		{"another S-selector", edit(func(s *spdu, _ *connectPPDU, _ *associateRequest) { s.called = []byte{0, 2} }), "session: session selector unknown"},
		{"no S-selector", edit(func(s *spdu, _ *connectPPDU, _ *associateRequest) { s.called = nil }), ""},
		{"another P-selector", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.Normal.Called = []byte{9} }), "presentation: called presentation address unknown"},
		{"X.410 mode", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.ModeSelector.Value = 0 }), "presentation: reason not specified"},
		{"presentation version 2", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.Normal.Version = &none }), "presentation: protocol version not supported"},
		{"unknown default context", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.Normal.Default = &contextName{Abstract: "1.2.3"} }), "presentation: default context not supported"},
		{"no contexts", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.Normal.Contexts = nil }), "presentation: user data not readable"},
		{"no user data", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.Normal.UserData = nil }), "presentation: user data not readable"},
		{"no context of MMS", edit(func(_ *spdu, p *connectPPDU, _ *associateRequest) { p.Normal.Contexts = p.Normal.Contexts[:1] }), "ACSE: no reason given"},
		{"another application context", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { a.Context = "1.0.9506.1.1" }), ""},
		{"ACSE version 2", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { a.Version = &none }), "ACSE: no common ACSE version"},
		{"another AP title", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { a.CalledAPTitle = titleOctets("1.2.3") }), "ACSE: called AP title not recognized"},
		{"another AE qualifier", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) {
			n := int64(-129)
			a.CalledAEQualifier = qualifierOctets(&n)
		}), "ACSE: called AE qualifier not recognized"},
		{"no titles", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) {
			a.CalledAPTitle, a.CalledAEQualifier, a.CallingAPTitle, a.CallingAEQualifier = nil, nil, nil, nil
		}), ""},
		{"title of form 1", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) {
			a.CallingAPTitle = octets(t, "300d 310b 3009 0603550403 0c024142")
		}), ""},
		{"no user information", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { a.UserInformation = nil }), "ACSE: no reason given"},
		{"direct reference, octet aligned", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) {
			b, _ := a.UserInformation[0].Encoding.octets()
			a.UserInformation = []external{{Direct: berSyntax, Encoding: octetAligned(b)}}
		}), ""},
		{"another indirect reference", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { n := int32(1); a.UserInformation[0].Indirect = &n }), ""},
		{"no password", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) {
			a.Requirements, a.Mechanism, a.Authentication = nil, "", nil
		}), "ACSE: authentication required"},
		{"password without a mechanism", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { a.Mechanism, a.Requirements = "", nil }), ""},
		{"password of another mechanism", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) { a.Mechanism = "1.2.3" }), "ACSE: authentication mechanism name not recognized"},
		{"a certificate where none is taken", edit(func(_ *spdu, _ *connectPPDU, a *associateRequest) {
			a.Authentication = &externalValue{external{Encoding: octetAligned{}}}
		}), "ACSE: authentication mechanism name not recognized"},
		{"no AARQ", func(r *raw) {
			r.m.connect(right, nil)
			cp := &connectPPDU{ModeSelector: modeSelector{Value: normalMode}, Normal: &connectParameters{Contexts: r.m.proposed, UserData: r.m.inACSE(&releaseRequest{})}}
			cn := &spdu{kind: siConnect, version: version2, units: duplex, data: encode(connectType, cp)}
			r.send(cn.append(nil))
		}, "ACSE: by its provider"},
		{"an initiate that cannot be read", func(r *raw) { r.send(r.m.connect(right, []byte{0xa8, 0})) }, "ACSE: no reason given"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, own)
			r := s.dial()
			r.m.lenient = lenience(false)
			r.transport()
			c.send(r)
			st := r.step()
			if c.want == "" {
				if st.ended != nil || r.m.state != established {
					t.Fatalf("got %v, want an association", st.ended)
				}
				r.reads(1)
				return
			}
			if st.ended == nil || !strings.Contains(st.ended.Error(), c.want) {
				t.Errorf("the peer learns %v, want %q", st.ended, c.want)
			}
			if err := s.outcome(); err == nil {
				t.Error("the server says that all is well")
			}
			r.closed()
		})
	}
}

// Of what is proposed, ACSE and MMS are taken once, with whatever identifiers; each other context is refused for its reason.
// ITU-T X.226, 6.2.5.
func TestOddContexts(t *testing.T) {
	r := serve(t, ServerConfig{}).dial()
	r.transport()
	r.m.acse, r.m.mms, r.m.state = -7, 70000, asking
	r.m.proposed = []contextDefinition{
		{ID: 5, Abstract: "1.2.3", Transfer: []string{berSyntax}},
		{ID: r.m.mms, Abstract: mmsSyntax, Transfer: []string{"2.1.2.0", berSyntax}},
		{ID: 11, Abstract: mmsSyntax, Transfer: []string{"2.1.3"}},
		{ID: r.m.acse, Abstract: acseSyntax, Transfer: []string{berSyntax}},
		{ID: 9, Abstract: mmsSyntax, Transfer: []string{berSyntax}},
	}
	aarq := &associateRequest{Context: mmsContext, UserInformation: r.m.userInformation(initiate())}
	cp := &connectPPDU{ModeSelector: modeSelector{Value: normalMode}, Normal: &connectParameters{Contexts: r.m.proposed, UserData: r.m.inACSE(aarq)}}
	cn := &spdu{kind: siConnect, version: version2, units: duplex, data: encode(connectType, cp)}
	r.send(cn.append(nil))
	tsdu, err := r.in.next()
	must(t, err)
	ac, err := parseSPDU(bytes.Clone(tsdu))
	must(t, err)
	var cpa acceptPPDU
	if err := r.m.decode(LayerPresentation, "", ac.data, acceptType, &cpa); err != nil {
		t.Fatal(err)
	}
	var got []int32
	for _, result := range cpa.Normal.Results {
		if result.Reason != nil {
			got = append(got, *result.Reason)
		} else {
			got = append(got, -result.Result)
		}
	}
	if want := []int32{contextAbstractUnknown, contextAccepted, contextTransferUnknown, contextAccepted, contextTooMany}; !slices.Equal(got, want) {
		t.Errorf("reasons: got %v, want %v (0: accepted)", got, want)
	}
	r.m.state = established
	r.reads(1)
	r.send(r.m.finish())
	if st := r.step(); st.ended != io.EOF {
		t.Errorf("got %+v, want a DISCONNECT", st)
	}
}

// The name of a refused certificate or a wrong selector is an event.
func TestRefusalsAreEvents(t *testing.T) {
	s := serve(t, ServerConfig{Config: Config{Called: defaultCalled}})
	r := s.dial()
	r.transport()
	cn, err := parseSPDU(r.m.connect(nil, initiate()))
	must(t, err)
	cn.called = []byte{9}
	r.send(cn.append(nil))
	s.outcome()
	events := s.Audit.Events()
	if len(events) != 1 || events[0].ID != audit.PeerRefused || events[0].Peer != r.conn.LocalAddr().String() {
		t.Errorf("got the events %+v, want one that a peer is refused", events)
	}
}

// Who opens a connection and says no more is cut off in time, at every stage.
func TestHalfOpenPeers(t *testing.T) {
	const limit = time.Second
	s := serve(t, ServerConfig{Config: Config{Timeout: limit}})
	stages := map[string]*raw{"nothing": s.dial(), "half a header": s.dial(), "transport": s.dial(), "half a CONNECT": s.dial()}
	associated := s.dial()
	associated.associate()
	stages["half a header"].write([]byte{3, 0})
	stages["transport"].transport()
	half := stages["half a CONNECT"]
	half.transport()
	b := half.a.frame(nil, half.m.connect(nil, initiate()))
	half.write(b[:len(b)/2])
	for name, r := range stages {
		t.Run(name, func(t *testing.T) {
			r.t = t
			r.closed()
			if err := s.outcome(); err == nil || !strings.Contains(err.Error(), "no association was made within") {
				t.Errorf("the server says %v", err)
			}
		})
	}
	time.Sleep(limit / 2) // who has associated may be silent
	associated.reads(1)
}

// A peer that does not read is given up, and what waits for it is bounded.
func TestPeerThatDoesNotRead(t *testing.T) {
	s := serve(t, ServerConfig{Config: Config{WriteTimeout: 200 * time.Millisecond}})
	r := s.dial()
	r.associate()
	for id := range uint32(20_000) {
		request := readX(id)
		request.Service.(*mms.ReadRequest).VariableAccessSpecification.(mms.ListOfVariable)[0].VariableSpecification = mms.VariableName{Name: mms.VMDSpecific("long")}
		b, err := mms.AppendBER(nil, request)
		must(t, err)
		packet := r.a.frame(nil, append([]byte(sessionData), encode(userDataType, inContext(r.m.mms, b))...))
		if _, err := r.conn.Write(packet); err != nil {
			break
		}
	}
	if err := s.outcome(); err == nil {
		t.Error("the server says that all is well")
	}
	s.stillServes()
}

// Connections beyond the limit are refused, and places are free again once associations have ended.
func TestTooManyConnections(t *testing.T) {
	s := serve(t, ServerConfig{Connections: 2})
	a, b := s.dial(), s.dial()
	a.associate()
	b.associate()
	c := s.dial()
	cr := tpdu{code: codeCR, src: 7}
	c.write(cr.append(nil))
	dr, err := c.in.tpdu()
	if err != nil || dr.code != codeDR || dr.reason != DisconnectCongestion || dr.dst != 7 {
		t.Errorf("got %+v, %v, want a DR because of congestion", dr, err)
	}
	c.closed()
	if events := s.Audit.Events(); len(events) != 1 || events[0].ID != audit.StreamFlood {
		t.Errorf("got the events %+v", events)
	}
	a.conn.Close()
	s.outcome()
	s.stillServes()
	b.reads(1)
}

// A client is refused by each layer; it says by which.
//
// Conformance: cAss.
func TestClientIsRefused(t *testing.T) {
	client := &machine{called: defaultCalled, calling: defaultCalling}
	for _, c := range []struct {
		name string
		tsdu func(server *machine) []byte
		want string
	}{
		{"session", func(m *machine) []byte { return m.refuse(RefuseSelectorUnknown, nil) }, "session: session selector unknown"},
		{"presentation", func(m *machine) []byte { return m.refusedByPresentation(ProviderAddressUnknown).send }, "presentation: called presentation address unknown"},
		{"ACSE", func(m *machine) []byte { return m.reject(DiagnosticCallingAPTitle, nil) }, "ACSE: calling AP title not recognized"},
		{"ACSE, in ACCEPT", func(m *machine) []byte {
			aare := &associateResponse{Context: mmsContext, Result: associateRejectedPermanent, Diagnostic: DiagnosticNoReason}
			cpa := &acceptPPDU{ModeSelector: modeSelector{Value: normalMode}, Normal: &acceptParameters{Results: m.results, UserData: m.inACSE(aare)}}
			ac := &spdu{kind: siAccept, version: version2, units: duplex, data: encode(acceptType, cpa)}
			return ac.append(nil)
		}, "ACSE: no reason given"},
		{"context", func(m *machine) []byte {
			m.results[1] = contextResult{Result: contextProviderRejected}
			return m.accept(initiate())
		}, "context 1.0.9506.2.1 is not taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client.state = connected
			server := &machine{}
			if st := server.input(client.connect(nil, initiate())); st.ended != nil {
				t.Fatal(st.ended)
			}
			st := client.input(c.tsdu(server))
			var refused *RefusedError
			if !errors.As(st.ended, &refused) || !refused.Remote || !strings.Contains(st.ended.Error(), c.want) {
				t.Errorf("got %v, want %q", st.ended, c.want)
			}
		})
	}
}

// With a refusal of ACSE comes what MMS says: that is heard first.
func TestInitiateErrorComesWithTheRefusal(t *testing.T) {
	client, server := &machine{called: defaultCalled}, &machine{}
	server.input(client.connect(nil, initiate()))
	why, err := mms.AppendBER(nil, &mms.InitiateError{ServiceError: mms.ServiceError{ErrorClass: mms.InitiateVersionIncompatible}})
	must(t, err)
	st := client.input(server.reject(DiagnosticNoReason, why))
	if len(st.pdus) != 1 || !bytes.Equal(st.pdus[0], why) || st.ended == nil {
		t.Errorf("got %+v", st)
	}
}

// One host cannot take all places by connections that it does not use.
func TestSilentConnectionsOfOneHost(t *testing.T) {
	s := serve(t, ServerConfig{})
	var silent []*raw
	for range mostPending {
		silent = append(silent, s.dial())
	}
	for range 3 {
		r := s.dial()
		r.closed()
	}
	silent[0].associate()
	silent[1].conn.Close()
	s.outcome()
	s.stillServes()
	silent[0].reads(1)
}

// What ends an association by breaking a rule is an event.
func TestBrokenRulesAreEvents(t *testing.T) {
	s := serve(t, ServerConfig{})
	r := s.dial()
	r.associate()
	r.send(octets(t, "1d00"))
	s.outcome()
	if events := s.Audit.Events(); len(events) != 1 || events[0].ID != audit.StreamMalformed || !strings.Contains(events[0].Text, "session") {
		t.Errorf("got the events %+v", events)
	}
}
