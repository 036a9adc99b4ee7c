package iso81

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// M7: an association ends when a certificate that its peer has shown is revoked, be it of TLS or of ACSE; the others go on.
func TestM7RevokedWhileAssociated(t *testing.T) {
	for _, layer := range []string{"TLS", "ACSE"} {
		t.Run(layer, func(t *testing.T) {
			r := newRevocable(t)
			cfg := ServerConfig{AuthTrust: r.trust}
			if layer == "TLS" {
				ied, err := r.root.IssuePeerTLS("pv1@test.example", "127.0.0.1")
				must(t, err)
				cfg.TLS = &TLS{Identity: ied, Trust: r.trust}
			}
			s := serve(t, cfg)
			client := func(name string) (*assoc.Association, *pki.Identity) {
				id, err := r.root.IssueClientTLS(name + "@test.example")
				must(t, err)
				own := Config{Auth: &Auth{Identity: id}}
				if layer == "TLS" {
					own = Config{TLS: &TLS{Identity: id, Trust: r.trust}}
				}
				return s.associated(t, own), id
			}
			ems, id := client("ems")
			guest, _ := client("guest")
			nobody := &raw{}
			if layer == "ACSE" {
				nobody = s.dial() // who shows nothing is not judged
				nobody.associate()
			}
			r.revoke(t, id)
			s.listener.Recheck()
			if err := s.outcome(); err == nil || !errors.Is(err, net.ErrClosed) || !errors.As(err, new(*pki.VerifyError)) {
				t.Errorf("the server says %v, want the certificate", err)
			}
			select {
			case <-ems.Done():
			case <-time.After(time.Minute):
				t.Fatal("the association of the revoked client goes on")
			}
			var aborted *AbortedError
			if err := ems.Err(); !errors.As(err, &aborted) {
				t.Errorf("the client is told %v, want an abort", err)
			}
			if _, err := guest.Call(t.Context(), readX(1).Service); err != nil {
				t.Errorf("the other client is disturbed: %v", err)
			}
			if layer == "ACSE" {
				nobody.reads(1)
			}
			for _, want := range []audit.ID{audit.CertificateRevoked, audit.TLSClosedByRevocation} {
				if !has(s.Audit.Events(), want) {
					t.Errorf("no event %s in %v", want, s.Audit.Events())
				}
			}
		})
	}
}

// What is over is not judged, nor remembered.
// IEC 62351-3: a TLS session ends with its age, at the end that looks first, and the next one is shown the identity of then.
func TestConnectionEndsAtItsAge(t *testing.T) {
	for _, end := range []string{"server", "client"} {
		t.Run(end, func(t *testing.T) {
			r := newRevocable(t)
			identity := func(host string) *pki.Identity {
				ied, err := r.root.IssuePeerTLS("pv1@test.example", host)
				must(t, err)
				return ied
			}
			age := map[string]time.Duration{end: time.Nanosecond}
			s := serve(t, ServerConfig{Config: Config{TLS: &TLS{Identity: identity("127.0.0.1"), Trust: r.trust, MaxAge: age["server"]}}})
			id, err := r.root.IssueClientTLS("ems@test.example")
			must(t, err)
			s.listener.Renew(identity("ied.example"))
			link, err := Dial(t.Context(), s.addr, Config{TLS: &TLS{Identity: id, Trust: r.trust, MaxAge: age["client"], ServerName: "ied.example"}})
			must(t, err)
			a, err := assoc.Initiate(t.Context(), link, assoc.Config{})
			must(t, err)
			t.Cleanup(a.Abort)
			if end == "server" {
				s.listener.Recheck()
			} else if err := link.Recheck(); err == nil || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Recheck says %v", err)
			}
			if err := s.outcome(); err == nil || !errors.Is(err, net.ErrClosed) {
				t.Errorf("the server says %v", err)
			}
		})
	}
}

func TestListenerForgetsWhatIsOver(t *testing.T) {
	s := serve(t, ServerConfig{})
	a := s.associated(t, Config{})
	must(t, a.Conclude(t.Context()))
	must(t, s.outcome())
	s.listener.mu.Lock()
	n := len(s.listener.all)
	s.listener.mu.Unlock()
	if n != 0 {
		t.Errorf("%d associations are remembered", n)
	}
}

func has(events []audit.Event, id audit.ID) bool {
	for _, e := range events {
		if e.ID == id {
			return true
		}
	}
	return false
}

// revocable is an authority with a revocation list.
type revocable struct {
	root  *pki.CA
	trust *pki.Trust
	crl   string
}

func newRevocable(t *testing.T) *revocable {
	t.Helper()
	r := &revocable{crl: filepath.Join(t.TempDir(), "root.crl")}
	var err error
	r.root, err = pki.NewRoot(pki.E2M, "test.example")
	must(t, err)
	must(t, r.root.WriteCRL(r.crl))
	var text bytes.Buffer
	must(t, pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: r.root.Certificate().Raw}))
	file := filepath.Join(filepath.Dir(r.crl), "root.crt")
	must(t, os.WriteFile(file, text.Bytes(), 0o600))
	r.trust, err = pki.LoadTrust([]string{file}, []string{r.crl})
	must(t, err)
	return r
}

func (r *revocable) revoke(t *testing.T, id *pki.Identity) {
	t.Helper()
	must(t, r.root.WriteCRL(r.crl, id.Chain[0].SerialNumber))
	must(t, r.trust.Refresh())
}

// associated makes an association that ends with the test.
func (s *served) associated(t *testing.T, cfg Config) *assoc.Association {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	link, err := Dial(ctx, s.addr, cfg)
	must(t, err)
	a, err := assoc.Initiate(ctx, link, assoc.Config{})
	must(t, err)
	t.Cleanup(a.Abort)
	if _, err := a.Call(ctx, readX(1).Service); err != nil {
		t.Fatal(err)
	}
	return a
}
