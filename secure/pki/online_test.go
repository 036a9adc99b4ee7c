package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"busbar.example/secure/audit"
)

// webbed is a hierarchy whose certificates name a server of lists and answers.
type webbed struct {
	hierarchy
	url   string
	asked atomic.Int32
	serve atomic.Pointer[http.HandlerFunc]
}

// newWebbed starts a server. What it answers, answer says, which may change.
func newWebbed(t testing.TB, answer http.HandlerFunc) *webbed {
	w := &webbed{hierarchy: newHierarchy(t, E2M)}
	w.serve.Store(&answer)
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		w.asked.Add(1)
		(*w.serve.Load())(out, in)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

func (w *webbed) answer(f http.HandlerFunc) { w.serve.Store(&f) }

// rootFile writes the anchor to a file.
func (w *webbed) rootFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "root.crt")
	if err := writeFile(name, encodeCertificates([]*x509.Certificate{w.root.Certificate()}), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// trustOnline is the trust in the root, with its own list in a file, and that asks the network as o says.
func (w *webbed) trustOnline(t testing.TB, o Online) *Trust {
	t.Helper()
	if o.Every == 0 {
		o.Every = time.Nanosecond // whatever is looked at is due
	}
	if o.Wait == 0 {
		o.Wait = time.Minute
	}
	return must(OpenTrust(Sources{Anchors: []string{w.rootFile(t)}, CRLs: w.crlFiles[:1], Online: o}))(t)
}

// named mints a certificate that names the server for lists and answers.
func (w *webbed) named(t testing.TB, edit func(*draft)) []*x509.Certificate {
	t.Helper()
	return mint(t, w.issuing, forClient, func(d *draft) {
		d.OCSPServer, d.CRLDistributionPoints = []string{w.url + "/ocsp"}, nil
		if edit != nil {
			edit(d)
		}
	})
}

// list is the issuing CA's list with these entries.
func (w *webbed) list(t testing.TB, ca *CA, number int64, until time.Time, revoked ...*big.Int) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: until}
	for _, serial := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
	}
	return must(x509.CreateRevocationList(nil, l, ca.Certificate(), ca.key))(t)
}

// respond answers requests as an OCSP responder whose answers template has, but for the serial.
func respond(t testing.TB, issuer *x509.Certificate, signer *x509.Certificate, key crypto.Signer, template func(serial *big.Int) ocsp.Response) http.HandlerFunc {
	return func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			return
		}
		request, err := ocsp.ParseRequest(body)
		if err != nil {
			t.Errorf("the request cannot be read: %v", err)
			return
		}
		r := template(request.SerialNumber)
		if r.SerialNumber == nil {
			r.SerialNumber = request.SerialNumber
		}
		der, err := ocsp.CreateResponse(issuer, signer, r, key)
		if err != nil {
			t.Errorf("making an answer: %v", err)
			return
		}
		out.Write(der)
	}
}

func good(*big.Int) ocsp.Response {
	return ocsp.Response{Status: ocsp.Good, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
}

func revokedAnswer(*big.Int) ocsp.Response {
	return ocsp.Response{Status: ocsp.Revoked, RevokedAt: time.Now().Add(-time.Minute), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
}

// byCA answers with the issuing CA's own signature.
func (w *webbed) byCA(t testing.TB, template func(*big.Int) ocsp.Response) http.HandlerFunc {
	return respond(t, w.issuing.Certificate(), w.issuing.Certificate(), w.issuing.key, template)
}

// responder mints a certificate that answers for the issuing CA.
func (w *webbed) responder(t testing.TB, edit func(*draft)) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key := must(newKey())(t)
	chain := mint(t, w.issuing, forClient, func(d *draft) {
		d.names, d.key = names{dns: []string{"ocsp.site.example"}}, key
		d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
		if edit != nil {
			edit(d)
		}
	})
	return chain[0], key
}

// What the network tells counts at once for who comes, and at the next look for who is there.
func TestRevocationOnTheNetwork(t *testing.T) {
	newest := int64(1)
	for _, c := range []struct {
		name   string
		edit   func(w *webbed, d *draft)
		online func(w *webbed) Online
		good   func(t *testing.T, w *webbed) http.HandlerFunc
		bad    func(t *testing.T, w *webbed, serial *big.Int) http.HandlerFunc
	}{
		{"the list that the certificate names", func(w *webbed, d *draft) { d.OCSPServer, d.CRLDistributionPoints = nil, []string{w.url + "/list"} },
			func(w *webbed) Online { return Online{Hosts: []string{"127.0.0.1"}} }, nil, nil},
		{"a list that the configuration names", func(w *webbed, d *draft) { d.OCSPServer = nil },
			func(w *webbed) Online { return Online{CRLs: []string{w.url + "/list"}} }, nil, nil},
		{"the responder that the certificate names", func(w *webbed, d *draft) {},
			func(w *webbed) Online { return Online{Hosts: []string{"127.0.0.1"}} },
			func(t *testing.T, w *webbed) http.HandlerFunc { return w.byCA(t, good) },
			func(t *testing.T, w *webbed, _ *big.Int) http.HandlerFunc { return w.byCA(t, revokedAnswer) }},
		{"a responder that the configuration names, by an appointed key", func(w *webbed, d *draft) { d.OCSPServer = nil },
			func(w *webbed) Online { return Online{OCSP: w.url} },
			func(t *testing.T, w *webbed) http.HandlerFunc {
				cert, key := w.responder(t, nil)
				return respond(t, w.issuing.Certificate(), cert, key, func(s *big.Int) ocsp.Response {
					r := good(s)
					r.Certificate = cert
					return r
				})
			},
			func(t *testing.T, w *webbed, _ *big.Int) http.HandlerFunc { return w.byCA(t, revokedAnswer) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWebbed(t, nil)
			chain := w.named(t, func(d *draft) { c.edit(w, d) })
			list := func(revoked ...*big.Int) http.HandlerFunc {
				newest++
				der := w.list(t, w.issuing, newest, time.Now().Add(time.Hour), revoked...)
				return func(out http.ResponseWriter, _ *http.Request) { out.Write(der) }
			}
			if c.good == nil {
				w.answer(list())
			} else {
				w.answer(c.good(t, w))
			}
			trust := w.trustOnline(t, c.online(w))
			trust.SetFailClosed(true)
			v, err := trust.VerifyClient(chain, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Warnings()) > 0 {
				t.Errorf("warned of: %v", v.Warnings())
			}
			if c.bad == nil {
				w.answer(list(chain[0].SerialNumber))
			} else {
				w.answer(c.bad(t, w, chain[0].SerialNumber))
			}
			if err := trust.Update(t.Context()); err != nil {
				t.Errorf("Update: %v", err)
			}
			err = trust.Recheck(v, time.Now())
			var refused *VerifyError
			if !errors.As(err, &refused) || refused.Rule != RuleRevoked || refused.ID != audit.CertificateRevoked {
				t.Errorf("after it was revoked, Recheck says %v", err)
			}
		})
	}
}

// M8: what cannot be reached, or does not answer in time, changes nothing for who is there, and is a warning; nobody waits
// for it longer than the configuration says. Where nothing is taken on trust, who comes is refused.
func TestM8Unreachable(t *testing.T) {
	var hang chan struct{}
	for name, answer := range map[string]http.HandlerFunc{
		"it fails": func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(http.StatusServiceUnavailable) },
		"it hangs": func(_ http.ResponseWriter, in *http.Request) {
			select {
			case <-hang:
			case <-in.Context().Done():
			}
		},
		"it drips": func(out http.ResponseWriter, in *http.Request) {
			out.Write([]byte{0x30})
			out.(http.Flusher).Flush()
			select {
			case <-hang:
			case <-in.Context().Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebbed(t, nil)
			hang = make(chan struct{})
			t.Cleanup(func() { close(hang) })
			w.answer(w.byCA(t, good))
			trust := w.trustOnline(t, Online{Hosts: []string{"127.0.0.1"}, Wait: 50 * time.Millisecond, Every: time.Hour})
			before := w.named(t, nil)
			trust.online.mu.Lock()
			trust.online.cfg.Wait = time.Minute
			trust.online.mu.Unlock()
			known := must(trust.VerifyClient(before, time.Now()))(t)
			trust.online.mu.Lock()
			trust.online.cfg.Wait = 50 * time.Millisecond
			trust.online.mu.Unlock()
			w.answer(answer)
			if err := trust.Recheck(known, time.Now()); err != nil {
				t.Errorf("who was there is refused: %v", err)
			}
			began := time.Now()
			v, err := trust.VerifyClient(w.named(t, nil), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > fetchTime/2 {
				t.Errorf("a handshake waited for %v", took)
			}
			if ws := v.Warnings(); len(ws) == 0 || ws[0].Rule != RuleCRLMissing || ws[0].ID != audit.CRLMissing {
				t.Errorf("warnings are %v, want one of nothing known", ws)
			}
			trust.SetFailClosed(true)
			if err := trust.Recheck(known, time.Now()); err != nil {
				t.Errorf("who was there, and whose answer holds, is refused: %v", err)
			}
			v, err = trust.VerifyClient(w.named(t, nil), time.Now())
			wantRefusal(t, v, err, RuleCRLMissing, audit.CRLMissing)
			if v, err := trust.VerifyClient(before, time.Now()); err != nil {
				t.Errorf("who is known is refused: %v %v", v, err)
			}
		})
	}
}

// M8: answers that are not to be used are not, and do away with nothing that was known.
func TestM8HostileAnswers(t *testing.T) {
	w := newWebbed(t, nil)
	other := rogue(t, E2M)
	stranger, strangerKey := w.responder(t, func(d *draft) { d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	expired, expiredKey := w.responder(t, func(d *draft) { d.NotAfter = time.Now().Add(-time.Minute) })
	in := func(from, to time.Duration) func(*big.Int) ocsp.Response {
		return func(*big.Int) ocsp.Response {
			return ocsp.Response{Status: ocsp.Good, ThisUpdate: time.Now().Add(from), NextUpdate: time.Now().Add(to)}
		}
	}
	signed := func(cert *x509.Certificate, key crypto.Signer) http.HandlerFunc {
		return respond(t, w.issuing.Certificate(), cert, key, func(s *big.Int) ocsp.Response {
			r := good(s)
			r.Certificate = cert
			return r
		})
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"giant":                       {func(out http.ResponseWriter, _ *http.Request) { out.Write(make([]byte, maxAnswer+1)) }, "more than"},
		"garbage":                     {func(out http.ResponseWriter, _ *http.Request) { out.Write([]byte("<html>")) }, "asn1"},
		"nothing":                     {func(http.ResponseWriter, *http.Request) {}, "asn1"},
		"an error of the responder":   {func(out http.ResponseWriter, _ *http.Request) { out.Write(ocsp.TryLaterErrorResponse) }, "try"},
		"of another CA":               {respond(t, w.issuing.Certificate(), other.Certificate(), other.key, good), "signature"},
		"by one who is not appointed": {signed(stranger, strangerKey), "appointed"},
		"by one whose time is over":   {signed(expired, expiredKey), "expired"},
		"by a stranger's responder": {respond(t, w.issuing.Certificate(), other.Certificate(), other.key, func(s *big.Int) ocsp.Response {
			r := good(s)
			r.Certificate = other.Certificate()
			return r
		}), "not issued"},
		"old":              {w.byCA(t, in(-48*time.Hour, -time.Hour)), "out of date"},
		"of times to come": {w.byCA(t, in(time.Hour, 2*time.Hour)), "yet to come"},
		"on another certificate": {w.byCA(t, func(s *big.Int) ocsp.Response {
			r := good(s)
			r.SerialNumber = new(big.Int).Add(s, big.NewInt(1))
			return r
		}), "no response matching"},
		"unknown": {w.byCA(t, func(s *big.Int) ocsp.Response {
			r := good(s)
			r.Status = ocsp.Unknown
			return r
		}), "does not know"},
		"a circle of redirections": {func(out http.ResponseWriter, in *http.Request) {
			http.Redirect(out, in, "/ocsp", http.StatusTemporaryRedirect)
		}, "redirections"},
		"a redirection elsewhere": {func(out http.ResponseWriter, in *http.Request) {
			http.Redirect(out, in, "http://localhost:1/", http.StatusTemporaryRedirect)
		}, "does not allow"},
		"a redirection to a file": {func(out http.ResponseWriter, in *http.Request) {
			http.Redirect(out, in, "file:///etc/passwd", http.StatusTemporaryRedirect)
		}, "does not allow"},
	} {
		t.Run(name, func(t *testing.T) {
			trust := w.trustOnline(t, Online{Hosts: []string{"127.0.0.1"}})
			w.answer(c.answer)
			v, err := trust.VerifyClient(w.named(t, nil), time.Now())
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			var said []string
			for _, warning := range v.Warnings() {
				said = append(said, warning.Error())
				if warning.Rule == RuleOCSP && warning.ID != audit.RevocationUnknown {
					t.Errorf("the event of %v is %s", warning, warning.ID)
				}
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, c.says) {
				t.Errorf("warnings are %q, want one with %q", all, c.says)
			}
			trust.SetFailClosed(true)
			v, err = trust.VerifyClient(w.named(t, nil), time.Now())
			wantRefusal(t, v, err, RuleCRLMissing, audit.CRLMissing)
		})
	}
}

// M8: lists that are not to be used are not, and the one that was there stays in force.
func TestM8HostileLists(t *testing.T) {
	w := newWebbed(t, nil)
	other := rogue(t, E2M)
	serve := func(der []byte) http.HandlerFunc {
		return func(out http.ResponseWriter, _ *http.Request) { out.Write(der) }
	}
	soon := time.Now().Add(time.Hour)
	partial := must(x509.CreateRevocationList(nil, &x509.RevocationList{Number: big.NewInt(9), ThisUpdate: time.Now(), NextUpdate: soon,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}}, w.issuing.Certificate(), w.issuing.key))(t)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"giant":            {serve(make([]byte, maxFile+1)), "more than"},
		"garbage":          {serve([]byte("<html>")), "no certificate revocation list"},
		"of another CA":    {serve(w.list(t, other, 9, soon)), "is not the list of"},
		"older":            {serve(w.list(t, w.issuing, 1, soon)), "older"},
		"out of date":      {serve(w.list(t, w.issuing, 9, time.Now().Add(-time.Minute))), "due for an update"},
		"of changes alone": {serve(partial), "not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			trust := w.trustOnline(t, Online{Hosts: []string{"127.0.0.1"}})
			named := func() []*x509.Certificate {
				return w.named(t, func(d *draft) { d.OCSPServer, d.CRLDistributionPoints = nil, []string{w.url + "/list"} })
			}
			bad, fine := named(), named()
			w.answer(serve(w.list(t, w.issuing, 5, soon, bad[0].SerialNumber)))
			v, err := trust.VerifyClient(bad, time.Now())
			wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
			w.answer(c.answer)
			if err := trust.Update(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Update: %v, want %q", err, c.says)
			}
			if name != "out of date" { // which is the newer one, and says that nothing is revoked any more
				v, err = trust.VerifyClient(bad, time.Now())
				wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
			}
			if _, err := trust.VerifyClient(fine, time.Now()); err != nil {
				t.Errorf("another is refused: %v", err)
			}
		})
	}
}

// Nobody makes this end fetch what a certificate names unless an anchor vouches for it and the configuration allows the host.
func TestNothingIsFetchedWithoutLeave(t *testing.T) {
	w := newWebbed(t, func(out http.ResponseWriter, _ *http.Request) {})
	all := func(d *draft) { d.CRLDistributionPoints = []string{w.url + "/list"} }
	other := rogue(t, E2M)
	unverified := mint(t, other, forClient, func(d *draft) { d.OCSPServer, d.CRLDistributionPoints = []string{w.url}, []string{w.url} })
	misused := mint(t, w.issuing, forServer, func(d *draft) { d.OCSPServer = []string{w.url} })
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		hosts []string
	}{
		"of nobody's":          {unverified, []string{"*", "127.0.0.1"}},
		"for another purpose":  {misused, []string{"127.0.0.1"}},
		"no host":              {w.named(t, all), nil},
		"another host":         {w.named(t, all), []string{"pki.site.example", "*.0.0.1.example"}},
		"this machine, by a *": {w.named(t, all), []string{"*"}},
		"another scheme than http": {w.named(t, func(d *draft) {
			d.OCSPServer = []string{"https" + strings.TrimPrefix(w.url, "http"), "file:///etc/passwd"}
		}), []string{"127.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			trust := w.trustOnline(t, Online{Hosts: c.hosts})
			before := w.asked.Load()
			trust.VerifyClient(c.chain, time.Now())
			trust.Update(t.Context())
			if n := w.asked.Load() - before; n != 0 {
				t.Errorf("the server was asked %d times", n)
			}
		})
	}
	trust := w.trustOnline(t, Online{Hosts: []string{"127.0.0.1"}})
	if trust.VerifyServer(mint(t, w.issuing, forServer, func(d *draft) { d.OCSPServer = []string{w.url} }), "other.example", time.Now()); w.asked.Load() != 0 {
		t.Error("a server of another name had this end ask")
	}
}

// What is asked, and what is remembered, is bounded whoever comes.
func TestWhatIsFetchedIsBounded(t *testing.T) {
	w := newWebbed(t, nil)
	w.answer(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(http.StatusNotFound) })
	trust := w.trustOnline(t, Online{Hosts: []string{"127.0.0.1"}, Every: time.Hour})
	for i := range 2 * maxLists {
		trust.VerifyClient(w.named(t, func(d *draft) {
			d.OCSPServer, d.CRLDistributionPoints = nil, []string{fmt.Sprintf("%s/%d", w.url, i)}
		}), time.Now())
	}
	trust.online.mu.Lock()
	defer trust.online.mu.Unlock()
	if n := len(trust.online.urls); n > maxLists {
		t.Errorf("%d lists are remembered, want %d at most", n, maxLists)
	}
}

// A reload is of everything or of nothing.
func TestReloadIsAllOrNothing(t *testing.T) {
	one, two := newWebbed(t, nil), newWebbed(t, nil)
	first, second := one.rootFile(t), two.rootFile(t)
	chains := [][]*x509.Certificate{mint(t, one.issuing, forClient, func(*draft) {}), mint(t, two.issuing, forClient, func(*draft) {})}
	trust := must(OpenTrust(Sources{Anchors: []string{first}}))(t)
	v := must(trust.VerifyClient(chains[0], time.Now()))(t)
	for name, s := range map[string]Sources{
		"no anchors":               {CRLs: one.crlFiles},
		"a file that is not there": {Anchors: []string{second, "/nowhere"}},
		"a list that is none":      {Anchors: []string{second}, CRLs: []string{second}},
		"a URL that is none":       {Anchors: []string{second}, Online: Online{OCSP: "ftp://host/"}},
		"a CA on a white list":     {Anchors: []string{second}, WhiteList: true},
	} {
		if err := trust.Reload(s); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := trust.Recheck(v, time.Now()); err != nil {
			t.Errorf("%s: what was before is not in force: %v", name, err)
		}
	}
	if err := trust.Reload(Sources{Anchors: []string{second}}); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.VerifyClient(chains[1], time.Now()); err != nil {
		t.Errorf("the new anchor: %v", err)
	}
	if err := trust.Recheck(v, time.Now()); err == nil {
		t.Error("who was verified by the anchor of before may stay")
	}
}
