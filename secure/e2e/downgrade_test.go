package e2e

import (
	"errors"
	"strings"
	"testing"

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/audit"
)

// TestE8: weaker security than was offered or agreed. What a peer signs that offers or chooses
// wrongly is in TestServerChecksTheOffer and TestClientChecksTheChoice; here the attacker cannot
// sign.
func TestE8(t *testing.T) { eachAlgorithm(t, testE8) }

func testE8(t *testing.T, newWorld func(testing.TB) *world) {
	// all lets both ends use all that the kind has, so that there is something to edit.
	all := func(t testing.TB) *world {
		w := newWorld(t)
		first := w.client.Algorithms[0]
		for _, a := range first.Mode().Algorithms() {
			if a != first && (a.form() == first.form() || first.Mode() == Clear) {
				w.client.Algorithms = append(w.client.Algorithms, a)
			}
		}
		w.server.Algorithms = w.client.Algorithms
		w.responder = w.newResponder()
		return w
	}
	t.Run("the best is taken out of the offer", func(t *testing.T) {
		w := all(t)
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", change(t, req, w.offered(0), ""))
		w.refusal(err, audit.E2EHandshakeSignature)
		wantEvent(t, w.seen, audit.E2EHandshakeSignature)
	})
	t.Run("the tag is shortened", func(t *testing.T) {
		w := all(t)
		if f := w.client.Algorithms[0].form(); f != formAEAD && f != formGMAC {
			t.Skip("it has none")
		}
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", change(t, req, "<aes-ICVlen>16<", "<aes-ICVlen>12<"))
		w.refusal(err, audit.E2EHandshakeSignature)
	})
	t.Run("the choice is edited", func(t *testing.T) {
		w := all(t)
		i, acc, _ := w.accept("17", "934")
		_, _, err := i.Answer(w.now, serverFull, "17:934", change(t, acc, w.offered(0), w.offered(1)))
		w.refusal(err, audit.E2ETampered)
		wantEvent(t, w.heard, audit.E2ETampered)
	})
	t.Run("the mode is edited", func(t *testing.T) {
		w := newWorld(t)
		encrypts, not := "<confParams><applProtected/></confParams>", "<confParams/>"
		if w.client.Mode == Clear {
			encrypts, not = not, encrypts
		}
		i, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", change(t, req, encrypts, not))
		w.refusal(err, audit.E2EDowngrade)
		// Not even a server that would take it does.
		w.server.Mode, w.server.Algorithms = Clear-w.server.Mode, nil
		_, err = w.newResponder().Open(w.now, clientFull, "17", change(t, req, encrypts, not))
		var r *Refusal
		if !errors.As(err, &r) || r.Event != audit.E2EDowngrade && r.Event != audit.E2EHandshakeSignature {
			t.Errorf("got %v, want a refusal", err)
		}
		acc := w.forgedAccept(w.serverOf(w.client), func(*HandshakeAcc) {})
		_, _, err = i.Answer(w.now, serverFull, "17:934", change(t, acc, encrypts, not))
		w.refusal(err, audit.E2EDowngrade)
	})
	t.Run("the signature names a weaker algorithm", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", change(t, req,
			"<algo><algorithm>"+oidECDSAWithSHA256, "<algo><algorithm>1.2.840.10045.4.1"))
		w.refusal(err, audit.E2EDowngrade)
	})
	t.Run("data of the other mode", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		token := "<tbp><token2><assoID>17:934</assoID><time>" + timestamp(w.now) + "</time><seq>1</seq></token2><applData>"
		auth := "</applData></tbp><auth><algorithm><algorithm>" + oidHMACWithSHA256 + "</algorithm></algorithm><icv>AAAA</icv></auth>"
		octets, want := "<ClearTransfer xmlns='"+Namespace+"'>"+token+appData+auth+"</ClearTransfer>", "encryption-required"
		if w.client.Mode == Clear {
			octets, want = "<EncrTransfer xmlns='"+Namespace+"'>"+token+"AAAA"+auth+"</EncrTransfer>", "encryption-not-selected"
		}
		r := w.refusedBy(server, []byte(octets), audit.E2EDowngrade)
		if r.Told != want {
			t.Errorf("told %q, want %q", r.Told, want)
		}
		w.wantDtSecAbort(client, r)
	})
	t.Run("security off: the PDU itself", func(t *testing.T) {
		w := newWorld(t)
		_, server := w.associate()
		w.refusedBy(server, []byte(appData), audit.E2ECanonical)
		_, err := w.responder.Open(w.now, clientFull, "18", []byte(appRequest))
		w.refusal(err, audit.E2ECanonical)
		i, _ := w.request("19")
		_, _, err = i.Answer(w.now, serverFull, "19:1", []byte(appResponse))
		w.refusal(err, audit.E2ECanonical)
	})
	t.Run("a peer of the other mode", func(t *testing.T) {
		w := newWorld(t)
		w.server.Mode, w.server.Algorithms = Clear-w.server.Mode, nil
		i, req := w.request("17")
		_, err := w.newResponder().Open(w.now, clientFull, "17", req)
		r := w.refusal(err, audit.E2EDowngrade)
		want, text := EncryptionNotRequired, "the peer sends data in clear, the mode of this end is encrypted"
		if w.client.Mode == Clear {
			want, text = HandshakeEncryptionRequired, "the peer encrypts data, the mode of this end is clear"
		}
		if r.Told != want.String() {
			t.Errorf("told %q, want %q", r.Told, want)
		}
		_, _, err = i.Answer(w.now, serverFull, "17", r.SecPDU)
		var rejected *SecRejected
		if !errors.As(err, &rejected) || rejected.Diagnostic != want || !strings.Contains(err.Error(), text) {
			t.Errorf("the client says %v, want %q in it", err, text)
		}
	})
}

// offered is one of the algorithms that the client of the world offers, in XML.
func (w *world) offered(n int) string {
	id := w.client.Algorithms[n].identifier(algorithms[w.client.Algorithms[n]].icvSize)
	octets, err := xer.AppendContent(nil, algorithmType, &id)
	if err != nil {
		w.t.Fatal(err)
	}
	return "<AlgorithmIdentifier>" + string(octets) + "</AlgorithmIdentifier>"
}

// serverOf is the server's configuration with the cryptography of another.
func (w *world) serverOf(cfg Config) Config {
	s := w.server
	s.Mode, s.Algorithms = cfg.Mode, cfg.Algorithms
	return s
}
