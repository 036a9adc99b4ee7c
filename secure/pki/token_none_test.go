//go:build !pkcs11

package pki

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTokensNeedABuildWithThem(t *testing.T) {
	dir := t.TempDir()
	id := must(newHierarchy(t, E2M).issuing.IssueServer("site.example"))(t)
	crt, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := id.Save(crt, key); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(key, []byte("pkcs11:token=a;object=b?module-path=/m&pin-source=file:pin"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(crt, key); err == nil || !strings.Contains(err.Error(), "-tags pkcs11") {
		t.Errorf("LoadIdentity: %v, want how to build", err)
	}
}
