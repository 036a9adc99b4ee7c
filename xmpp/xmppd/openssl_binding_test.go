package xmppd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/xmppd"
)

// TestBindingsAreAnnouncedAsTLSHasThem is that tls-exporter is announced where its data is of this connection alone: over TLS
// 1.2 only with the extended master secret, which openssl can be told to leave out.
//
// RFC 9266, Sections 1 and 3; XEP-0440.
func TestBindingsAreAnnouncedAsTLSHasThem(t *testing.T) {
	openssl := findOpenSSL(t)
	ca := newCA(t)
	v, err := sasl.NewVerifier("pencil")
	if err != nil {
		t.Fatal(err)
	}
	passwords := new(sasl.Passwords)
	passwords.Set(nil, map[jid.JID]sasl.Verifier{jid.MustParse("hmi@" + domain): v})
	server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: ca.trust(), Passwords: passwords, Live: xmppd.Live{Identity: ca.serverIdentity()}})
	if err != nil {
		t.Fatal(err)
	}
	address := onLoopback(t, server)
	without := filepath.Join(t.TempDir(), "openssl.cnf")
	conf := "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n"
	if err := os.WriteFile(without, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	announced := regexp.MustCompile(`<channel-binding type='([^']*)'/>`)
	for _, tt := range []struct {
		name, version, conf string
		want                []string
	}{
		{"TLS 1.3", "-tls1_3", "", []string{"tls-exporter", "tls-server-end-point"}},
		{"TLS 1.2", "-tls1_2", "", []string{"tls-exporter", "tls-unique", "tls-server-end-point"}},
		{"TLS 1.2 without the extended master secret", "-tls1_2", without, []string{"tls-server-end-point"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, openssl, "s_client", "-connect", address, "-starttls", "xmpp", "-xmpphost", domain, "-ign_eof", tt.version)
			if tt.conf != "" {
				cmd.Env = append(os.Environ(), "OPENSSL_CONF="+tt.conf)
			}
			cmd.Stdin = strings.NewReader("<stream:stream to='" + domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>")
			out, err := cmd.CombinedOutput() // it fails for want of a client certificate's anchors, or not
			var got []string
			for _, m := range announced.FindAllStringSubmatch(string(out), -1) {
				got = append(got, m[1])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("announced (-want +got):\n%s%v\n%s", diff, err, out)
			}
			if tt.conf != "" != strings.Contains(string(out), "Extended master secret: no") {
				t.Errorf("openssl was to leave out the extended master secret: %v\n%s", tt.conf != "", out)
			}
		})
	}
}
