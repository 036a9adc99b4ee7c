package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
)

func TestRevocationTakesEffectWithRefresh(t *testing.T) {
	h := newHierarchy(t, E2M)
	id := must(h.issuing.IssueClientTLS("ied1@site.example"))(t)
	other := must(h.issuing.IssueClientTLS("ied2@site.example"))(t)
	v := must(h.trust.VerifyClient(id.Chain, time.Now()))(t)

	if err := h.issuing.WriteCRL(h.crlFiles[1], id.Chain[0].SerialNumber); err != nil {
		t.Fatal(err)
	}
	if err := h.trust.Recheck(v, time.Now()); err != nil {
		t.Errorf("before Refresh: %v", err)
	}
	if err := h.trust.Refresh(); err != nil {
		t.Fatal(err)
	}
	t.Run("M6 revoked", func(t *testing.T) {
		v, err := h.trust.VerifyClient(id.Chain, time.Now())
		wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
	})
	t.Run("M7 revoked during the stream", func(t *testing.T) {
		wantRefusal(t, nil, h.trust.Recheck(v, time.Now()), RuleRevoked, audit.CertificateRevoked)
	})
	t.Run("M7 expired during the stream", func(t *testing.T) {
		v := must(h.trust.VerifyClient(other.Chain, time.Now()))(t)
		if err := h.trust.Recheck(v, later(day)); err != nil {
			t.Errorf("a day later: %v", err)
		}
		wantRefusal(t, nil, h.trust.Recheck(v, later(leafValidity+day)), RuleExpired, audit.CertificateExpired)
	})
	t.Run("a server is rechecked for its domain", func(t *testing.T) {
		v := must(h.trust.VerifyServer(must(h.issuing.IssueServer("site.example"))(t).Chain, "site.example", time.Now()))(t)
		if err := h.trust.Recheck(v, time.Now()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a failing refresh keeps the lists of before", func(t *testing.T) {
		for name, spoil := range map[string]func() error{
			"cut short": func() error { return os.WriteFile(h.crlFiles[1], []byte("-----BEGIN X509 CRL-----\n"), 0o600) },
			"gone":      func() error { return os.Remove(h.crlFiles[1]) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if err := h.trust.Refresh(); err == nil {
				t.Errorf("%s: Refresh succeeded", name)
			}
			v, err := h.trust.VerifyClient(id.Chain, time.Now())
			wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
		}
	})
}

func TestM8RevocationListMissingOrStale(t *testing.T) {
	h := newHierarchy(t, E2M)
	chain := must(h.issuing.IssueClientTLS("ied1@site.example"))(t).Chain
	stale := later(crlValidity + day)
	root := []*x509.Certificate{h.root.Certificate()}
	lists := must(loadCRLs(h.crlFiles))(t)
	foreign := newHierarchy(t, E2M) // of the same names, and another key
	cases := []struct {
		name  string
		lists []*x509.RevocationList
		now   time.Time
		want  []audit.ID
	}{
		{"both there", lists, time.Now(), nil},
		{"none", nil, time.Now(), []audit.ID{audit.CRLMissing, audit.CRLMissing}},
		{"the root's alone", lists[:1], time.Now(), []audit.ID{audit.CRLMissing}},
		{"both stale", lists, stale, []audit.ID{audit.CRLExpired, audit.CRLExpired}},
		{"another CA's", must(loadCRLs(foreign.crlFiles))(t), time.Now(), []audit.ID{audit.CRLMissing, audit.CRLMissing}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			trust := must(NewTrust(root, c.lists))(t)
			v := must(trust.VerifyClient(chain, c.now))(t)
			var got []audit.ID
			for _, w := range v.Warnings() {
				got = append(got, w.ID)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("warnings (-want +got):\n%s", d)
			}
			strict := must(NewTrust(root, c.lists))(t)
			strict.SetFailClosed(true)
			switch v, err := strict.VerifyClient(chain, c.now); {
			case c.want == nil && err != nil:
				t.Errorf("fail-closed: %v", err)
			case c.want != nil && c.want[0] == audit.CRLMissing:
				wantRefusal(t, v, err, RuleCRLMissing, audit.CRLMissing)
			case c.want != nil:
				wantRefusal(t, v, err, RuleCRLExpired, audit.CRLExpired)
			}
		})
	}
	t.Run("a stale list still revokes", func(t *testing.T) {
		v, err := revoked(t, h.root, h.issuing, chain[0].SerialNumber).VerifyClient(chain, stale)
		wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
	})
}

func TestTheNewestListCounts(t *testing.T) {
	h := newHierarchy(t, E2M)
	chain := must(h.issuing.IssueClientTLS("ied1@site.example"))(t).Chain
	before := must(loadCRLs(h.crlFiles))(t)
	if err := h.issuing.WriteCRL(h.crlFiles[1], chain[0].SerialNumber); err != nil {
		t.Fatal(err)
	}
	after := must(loadCRLs(h.crlFiles))(t)
	root := []*x509.Certificate{h.root.Certificate()}
	for name, lists := range map[string][]*x509.RevocationList{
		"newest last": append(before[:2:2], after...), "newest first": append(after[:2:2], before...),
	} {
		v, err := must(NewTrust(root, lists))(t).VerifyClient(chain, time.Now())
		t.Run(name, func(t *testing.T) { wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked) })
	}
}

func TestPartialRevocationListsAreRefused(t *testing.T) {
	h := newHierarchy(t, E2M)
	point := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}
	for name, list := range map[string]*x509.RevocationList{
		"issuingDistributionPoint": {ExtraExtensions: []pkix.Extension{point}},
		"deltaCRLIndicator":        {ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}},
		"certificateIssuer": {RevokedCertificateEntries: []x509.RevocationListEntry{{
			SerialNumber: big.NewInt(1), RevocationTime: time.Now(),
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}},
		}}},
	} {
		list.Number, list.ThisUpdate, list.NextUpdate = big.NewInt(9), time.Now(), later(day)
		der := must(x509.CreateRevocationList(rand.Reader, list, h.issuing.Certificate(), h.issuing.key))(t)
		_, err := NewTrust([]*x509.Certificate{h.root.Certificate()}, must(parseCRLs(der))(t))
		if err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestRevocationListsAreNumberedAndGrow(t *testing.T) {
	h := newHierarchy(t, E2M)
	file := h.crlFiles[1]
	for i, serials := range [][]*big.Int{{big.NewInt(7)}, {big.NewInt(9), big.NewInt(7), big.NewInt(9)}, nil} {
		if err := h.issuing.WriteCRL(file, serials...); err != nil {
			t.Fatal(err)
		}
		list := must(loadCRLs([]string{file}))(t)[0]
		var got []string
		for _, e := range list.RevokedCertificateEntries {
			got = append(got, e.SerialNumber.String())
		}
		want := [][]string{{"7"}, {"7", "9"}, {"7", "9"}}[i]
		if d := cmp.Diff(want, got); d != "" || list.Number.Int64() != int64(i+2) {
			t.Errorf("list %v, want number %d; serials (-want +got):\n%s", list.Number, i+2, d)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.lock")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestWriteCRLRefuses(t *testing.T) {
	h := newHierarchy(t, E2M)
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	locked := write("locked.crl.lock", "")
	unnumbered := pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: h.unnumberedCRL(t)})
	cases := []struct{ name, file, want string }{
		{"a file that is being written", strings.TrimSuffix(locked, ".lock"), "another process"},
		{"another CA's list", h.crlFiles[0], "not a revocation list of"},
		{"a list without a number", write("unnumbered.crl", string(unnumbered)), "not a revocation list of"},
		{"what is no list", write("junk.crl", "junk"), "no certificate revocation list"},
		{"a folder that does not exist", filepath.Join(dir, "no", "x.crl"), "no such file"},
	}
	for _, c := range cases {
		before, _ := os.ReadFile(c.file)
		err := h.issuing.WriteCRL(c.file, big.NewInt(1))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", c.name, err, c.want)
		}
		if after, _ := os.ReadFile(c.file); string(after) != string(before) {
			t.Errorf("%s: the file changed", c.name)
		}
	}
	if _, err := os.Stat(locked); err != nil {
		t.Errorf("another's lock is gone: %v", err)
	}
}

// unnumberedCRL returns a list of the issuing CA without the number that
// crypto/x509 insists on.
func (h hierarchy) unnumberedCRL(t *testing.T) []byte {
	t.Helper()
	ca := h.issuing.Certificate()
	var issuer pkix.RDNSequence
	if _, err := asn1.Unmarshal(ca.RawSubject, &issuer); err != nil {
		t.Fatal(err)
	}
	ecdsaSHA256 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	tbs := must(asn1.Marshal(struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    pkix.RDNSequence
		This      time.Time `asn1:"utc"`
		Next      time.Time `asn1:"utc"`
	}{1, ecdsaSHA256, issuer, time.Now().UTC(), later(day).UTC()}))(t)
	signature := signSHA256(t, h.issuing.key, tbs)
	return must(asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, ecdsaSHA256, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}}))(t)
}
