package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
)

func TestChannelCarriesDataBothWays(t *testing.T) { eachAlgorithm(t, testChannelCarriesDataBothWays) }

func testChannelCarriesDataBothWays(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	client, server := w.associate()
	for n := range 5 {
		if n == 3 {
			w.now = w.now.Add(1500 * time.Microsecond)
		}
		w.send(client, server, fmt.Sprint("<a xmlns='urn:x'>", n, "</a>"))
		w.send(server, client, "<a xmlns='urn:x'><t>a"+strings.Repeat("any text &amp; &lt; &gt; ", n*1000)+"</t><b><c xmlns='urn:y'/><d e='f'/></b></a>")
	}
	if w.client.Mode == Clear {
		return
	}
	w.send(client, server, "")
	w.send(server, client, "\x00\xff")
}

func TestSealedPDUTellsNothingOfItsContent(t *testing.T) {
	w := newWorld(t)
	client, _ := w.associate()
	octets := w.seal(client, appData)
	for _, part := range []string{"confirmed", "invokeID", appNamespace} {
		if bytes.Contains(octets, []byte(part)) {
			t.Errorf("%q stands in %s", part, octets)
		}
	}
	if over := len(octets) - len(appData) - len(appData)/3; over > 350 {
		t.Errorf("%d octets and a third were added, 350 are allowed", over)
	}
}

func TestReceivedDataHasTheTimeOfItsSealing(t *testing.T) {
	eachAlgorithm(t, testReceivedDataHasTheTimeOfItsSealing)
}

func testReceivedDataHasTheTimeOfItsSealing(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	client, server := w.associate()
	w.now = w.now.Add(time.Minute)
	octets := w.seal(client, appData)
	want := Received{Kind: KindData, ApplData: []byte(appData), Time: w.now.Truncate(time.Millisecond).UTC()}
	w.now = w.now.Add(11 * time.Second)
	got, err := server.Open(w.now, clientFull, "17:934", octets)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("(-want +got) with %v:\n%s", err, d)
	}
}

func TestSenderTimeNeverGoesBack(t *testing.T) { eachAlgorithm(t, testSenderTimeNeverGoesBack) }

func testSenderTimeNeverGoesBack(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	client, server := w.associate()
	w.now = w.now.Add(time.Minute)
	w.send(client, server, appData)
	w.now = w.now.Add(-30 * time.Second)
	for range 3 {
		w.send(client, server, appData)
	}
}

func TestSealAppends(t *testing.T) {
	w := newWorld(t)
	client, server := w.associate()
	octets, err := client.Seal([]byte("head"), w.now, []byte(appData))
	if err != nil || !bytes.HasPrefix(octets, []byte("head<EncrTransfer ")) {
		t.Fatalf("got %s, %v", octets, err)
	}
	w.deliver(server, octets[4:], appData)
	if _, err := client.Seal(nil, w.now, make([]byte, maxTransferSize/2+1)); err == nil {
		t.Error("a PDU was sealed that no receiver takes")
	}
	w.send(client, server, strings.Repeat("x", maxTransferSize/2))
}

func TestAssociationIsConfirmedByTheFirstData(t *testing.T) {
	eachAlgorithm(t, testAssociationIsConfirmedByTheFirstData)
}

func testAssociationIsConfirmedByTheFirstData(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	i, acc, server := w.accept("17", "934")
	client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
	if err != nil {
		t.Fatal(err)
	}
	if client.confirmed || server.confirmed {
		t.Error("confirmed by the handshake alone")
	}
	if _, err := server.Seal(nil, w.now, []byte(appData)); err == nil {
		t.Error("a server sent data on a half-open association")
	}
	if n := countEvents(w.seen, audit.E2EEstablished) + countEvents(w.heard, audit.E2EEstablished); n != 0 {
		t.Errorf("%d events of success before the first data", n)
	}
	w.send(client, server, appData)
	if client.confirmed || !server.confirmed {
		t.Error("the client's first data confirms the server's side alone")
	}
	w.send(server, client, appData)
	w.send(client, server, appData)
	if !client.confirmed {
		t.Error("the server's first data confirms the client's side")
	}
	if a, b := countEvents(w.seen, audit.E2EEstablished), countEvents(w.heard, audit.E2EEstablished); a != 1 || b != 1 {
		t.Errorf("%d and %d events of success, want one each", a, b)
	}
}

func TestHalfOpenAssociationEndsAfterAMinute(t *testing.T) {
	w := newWorld(t)
	i, acc, server := w.accept("17", "934")
	client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
	if err != nil {
		t.Fatal(err)
	}
	first := w.seal(client, appData)
	if got, want := server.Next(), w.now.Add(halfOpenLife); !got.Equal(want) {
		t.Errorf("Next = %v, want %v", got, want)
	}
	w.now = w.now.Add(halfOpenLife - 1)
	if server.Expire(w.now) {
		t.Error("it ended before its minute")
	}
	w.now = w.now.Add(1)
	if _, err := server.Open(w.now, clientFull, "17:934", first); !errors.Is(err, net.ErrClosed) {
		t.Errorf("data after a minute: %v", err)
	}
	if !server.Next().IsZero() || server.confirmed {
		t.Error("it goes on after its minute")
	}
}

func TestReleaseEndsBothSides(t *testing.T) { eachAlgorithm(t, testReleaseEndsBothSides) }

func testReleaseEndsBothSides(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	client, server := w.associate()
	req, err := client.ReleaseRequest(w.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Seal(nil, w.now, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("data was sealed after ReleaseReq: %v", err)
	}
	if _, err := client.ReleaseRequest(w.now); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second ReleaseReq was made: %v", err)
	}
	w.send(server, client, appData) // crosses the ReleaseReq
	got, err := server.Open(w.now, clientFull, "17:934", req)
	if err != nil || got.Kind != KindReleaseReq {
		t.Fatalf("the server got %v, %v", got.Kind, err)
	}
	if _, err := server.Seal(nil, w.now, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("data was sealed after the peer's ReleaseReq: %v", err)
	}
	rsp, err := server.ReleaseResponse(w.now)
	if err != nil {
		t.Fatal(err)
	}
	got, err = client.Open(w.now, serverFull, "17:934", rsp)
	if err != nil || got.Kind != KindReleaseRsp {
		t.Fatalf("the client got %v, %v", got.Kind, err)
	}
	w.wantEnded(client, server)
}

// wantEnded checks that the channels have ended, and say so, and that it is on record.
func (w *world) wantEnded(channels ...*Channel) {
	w.t.Helper()
	for _, c := range channels {
		if _, err := c.Seal(nil, w.now, nil); !errors.Is(err, net.ErrClosed) {
			w.t.Errorf("Seal after the end: %v", err)
		}
		if _, err := c.Open(w.now, c.peer.address, c.assoID, nil); !errors.Is(err, net.ErrClosed) {
			w.t.Errorf("Open after the end: %v", err)
		}
		for name, do := range map[string]func(time.Time) ([]byte, error){
			"ReleaseRequest": c.ReleaseRequest, "ReleaseResponse": c.ReleaseResponse,
			"Abort":    func(now time.Time) ([]byte, error) { return c.Abort(now, nil) },
			"SecAbort": func(now time.Time) ([]byte, error) { return c.SecAbort(now, DtNoReason) },
			"Recheck":  func(now time.Time) ([]byte, error) { return nil, c.Recheck(now) },
		} {
			if octets, err := do(w.now); !errors.Is(err, net.ErrClosed) || octets != nil {
				w.t.Errorf("%s after the end: %v", name, err)
			}
		}
		if !c.Next().IsZero() {
			w.t.Error("something is due after the end")
		}
		if c.send != nil || c.recv != nil || c.rekey.private != nil || c.rekey.chain != [chainSize]byte{} {
			w.t.Error("there are keys after the end")
		}
		trail := w.heard
		if c.side == serverSide {
			trail = w.seen
		}
		if n := countEvents(trail, audit.E2EEnded); n != 1 {
			w.t.Errorf("%d events say that it has ended, want one", n)
		}
	}
}

func TestServerMayReleaseAndReleasesMayCross(t *testing.T) {
	w := newWorld(t)
	client, server := w.associate()
	a, err := client.ReleaseRequest(w.now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := server.ReleaseRequest(w.now)
	if err != nil {
		t.Fatal(err)
	}
	for c, octets := range map[*Channel][]byte{server: a, client: b} {
		if got, err := c.Open(w.now, c.peer.address, "17:934", octets); err != nil || got.Kind != KindReleaseReq {
			t.Fatalf("got %v, %v", got.Kind, err)
		}
		if _, err := c.ReleaseResponse(w.now); err != nil {
			t.Error(err)
		}
	}
	w.wantEnded(client, server)
}

func TestReleaseEndsAfterTenSeconds(t *testing.T) {
	w := newWorld(t)
	client, server := w.associate()
	req, err := client.ReleaseRequest(w.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Open(w.now, clientFull, "17:934", req); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Channel{client, server} {
		if got, want := c.Next(), w.now.Add(releaseLife); !got.Equal(want) {
			t.Errorf("Next = %v, want %v", got, want)
		}
		if c.Expire(w.now.Add(releaseLife-1)) || !c.Expire(w.now.Add(releaseLife)) {
			t.Error("it did not end after ten seconds")
		}
	}
	w.wantEnded(client, server)
}

func TestPDUsOutOfPlaceEndTheAssociation(t *testing.T) {
	eachAlgorithm(t, testPDUsOutOfPlaceEndTheAssociation)
}

func testPDUsOutOfPlaceEndTheAssociation(t *testing.T, newWorld func(testing.TB) *world) {
	signed := func(c *Channel, p signedPDU) []byte {
		octets, _, err := c.encodeSigned(p)
		if err != nil {
			t.Fatal(err)
		}
		return octets
	}
	for _, tt := range []struct {
		name   string
		octets func(w *world, client, server *Channel) []byte
		event  audit.ID
		told   string
	}{
		{"ReleaseRsp without ReleaseReq", func(w *world, c, _ *Channel) []byte {
			return signed(c, &ReleaseRsp{TBS: ReleaseTBS{c.nextToken3(w.now)}})
		}, audit.E2ECanonical, "protocol-error"},
		{"HandshakeSecAbort after the first data", func(w *world, c, _ *Channel) []byte {
			return signed(c, &HandshakeSecAbort{TBS: HandshakeDiagTBS{Token3: c.nextToken3(w.now)}})
		}, audit.E2ECanonical, "protocol-error"},
		{"HandshakeSecReject", func(w *world, c, _ *Channel) []byte {
			return signed(c, &HandshakeSecReject{TBS: HandshakeDiagTBS{Token3: c.nextToken3(w.now)}})
		}, audit.E2ECanonical, "protocol-error"},
		{"HandshakeReq", func(w *world, c, _ *Channel) []byte {
			return w.forgedRequest(w.client, func(p *HandshakeReq) { p.TBS.Token1.AssoID = "17:934" })
		}, audit.E2ECanonical, "protocol-error"},
		{"data after ReleaseReq", func(w *world, c, s *Channel) []byte {
			octets := w.seal(c, appData)
			req, err := c.ReleaseRequest(w.now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Open(w.now, clientFull, "17:934", req); err != nil {
				t.Fatal(err)
			}
			return octets
		}, audit.E2ESequence, "protocol-error"},
		{"token3 of another version", func(w *world, c, _ *Channel) []byte {
			p := &ReleaseReq{TBS: ReleaseTBS{c.nextToken3(w.now)}}
			p.TBS.Token3.Version = 4
			return signed(c, p)
		}, audit.E2EDowngrade, "unexpected-version"},
		{"token3 without a time", func(w *world, c, _ *Channel) []byte {
			p := &ReleaseReq{TBS: ReleaseTBS{c.nextToken3(w.now)}}
			p.TBS.Token3.Time = "Z"
			return signed(c, p)
		}, audit.E2ECanonical, "protocol-error"},
		{"token3 too early", func(w *world, c, _ *Channel) []byte {
			p := &ReleaseReq{TBS: ReleaseTBS{c.nextToken3(w.now)}}
			p.TBS.Token3.Time = timestamp(w.now.Add(maxSkew + time.Second))
			return signed(c, p)
		}, audit.E2ETime, "invalid-time-value"},
		{"no XML", func(*world, *Channel, *Channel) []byte { return []byte("<") }, audit.E2ECanonical, "protocol-error"},
		{"too large", func(*world, *Channel, *Channel) []byte {
			return make([]byte, maxTransferSize+1)
		}, audit.E2ECanonical, "protocol-error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			client, server := w.associate()
			octets := tt.octets(w, client, server)
			r := w.refusedBy(server, octets, tt.event)
			if r.Told != tt.told {
				t.Errorf("told %q, want %q", r.Told, tt.told)
			}
			w.wantDtSecAbort(client, r)
		})
	}
}

// wantDtSecAbort checks that the peer understands the DtSecAbort of a refusal, and ends.
func (w *world) wantDtSecAbort(c *Channel, r *Refusal) {
	w.t.Helper()
	got, err := c.Open(w.now, c.peer.address, c.assoID, r.SecPDU)
	if err != nil || got.Kind != KindSecAbort {
		w.t.Fatalf("the peer made %v and %v of %s", got.Kind, err, r.SecPDU)
	}
	told := r.Told
	if told == "" || told == InvalidTimeValue.String() { // DtDiagnostics has no word for time
		told = "no-reason"
	}
	if got.Diagnostic != told {
		w.t.Errorf("the peer was told %q, want %q", got.Diagnostic, told)
	}
	w.wantEnded(c)
}

func TestAbortsReachThePeer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		abort func(*Channel, time.Time) ([]byte, error)
		want  Received
	}{
		{"by the application", func(c *Channel, now time.Time) ([]byte, error) { return c.Abort(now, nil) },
			Received{Kind: KindApplAbort}},
		{"by the application, with a PDU", func(c *Channel, now time.Time) ([]byte, error) { return c.Abort(now, []byte(appError)) },
			Received{Kind: KindApplAbort, ApplData: []byte(appError)}},
		{"by security", func(c *Channel, now time.Time) ([]byte, error) { return c.SecAbort(now, DtNoReason) },
			Received{Kind: KindSecAbort, Diagnostic: "no-reason"}},
		{"by security, with a cause", func(c *Channel, now time.Time) ([]byte, error) { return c.SecAbort(now, DtProtocolError) },
			Received{Kind: KindSecAbort, Diagnostic: "protocol-error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			client, server := w.associate()
			octets, err := tt.abort(server, w.now)
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Open(w.now, serverFull, "17:934", octets)
			tt.want.Time = w.now.Truncate(time.Millisecond).UTC()
			if d := cmp.Diff(tt.want, got); d != "" || err != nil {
				t.Errorf("(-want +got) with %v:\n%s", err, d)
			}
			w.wantEnded(client, server)
		})
	}
	w := newWorld(t)
	client, server := w.associate()
	if _, err := client.Abort(w.now, []byte("no XML")); err == nil {
		t.Error("an abort with a PDU that is none was made")
	}
	w.send(client, server, appData) // and did no harm
}

func TestCloseIsLocal(t *testing.T) {
	w := newWorld(t)
	client, server := w.associate()
	client.Close(w.now, "the link is lost")
	server.Close(w.now, "the link is lost")
	server.Close(w.now, "the link is lost")
	w.wantEnded(client, server)
}

func TestAssociationEndsWithItsDay(t *testing.T) {
	w := newWorld(t)
	client, server := w.associate()
	began := w.now
	if got, want := client.Next(), began.Add(maxAssociation); !got.Equal(want) {
		t.Errorf("Next = %v, want %v", got, want)
	}
	w.now = began.Add(maxAssociation - time.Second)
	w.send(client, server, appData)
	late := w.seal(client, appData)
	w.now = began.Add(maxAssociation)
	if _, err := server.Open(w.now, clientFull, "17:934", late); !errors.Is(err, net.ErrClosed) {
		t.Errorf("data after a day: %v", err)
	}
	if _, err := client.Seal(nil, w.now, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("data was sealed after a day: %v", err)
	}
	w.wantEnded(client, server)
}

func TestAssociationEndsWithACertificate(t *testing.T) {
	w := newWorld(t)
	w.now = w.client.Identity.Chain[0].NotAfter.Add(-time.Hour)
	client, server := w.associate()
	for _, c := range []*Channel{client, server} {
		if got, want := c.Next(), w.client.Identity.Chain[0].NotAfter; got.After(want) {
			t.Errorf("Next = %v, the certificate is valid until %v", got, want)
		}
	}
}

func TestSealAllocatesItsTimestampOnly(t *testing.T) {
	eachAlgorithm(t, testSealAllocatesItsTimestampOnly)
}

func testSealAllocatesItsTimestampOnly(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	if raceEnabled && w.client.Mode == Clear {
		t.Skip("with the race detector, pools forget")
	}
	client, _ := w.associate()
	dst := w.seal(client, pdu1k)
	data := []byte(pdu1k)
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if dst, err = client.Seal(dst[:0], w.now, data); err != nil {
			t.Fatal(err)
		}
	}); n > 1 && !(n == 2 && w.client.Algorithms[0].form() == formCBC) { // which makes a cipher.BlockMode
		t.Errorf("%v allocations, one is allowed", n)
	}
}
