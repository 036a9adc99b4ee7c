package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"busbar.example/secure/rbac"
)

// The roles extension was renumbered. Both are read, the newer is written, and
// it alone counts where a certificate has both.
//
// IEC 62351-8
var (
	oidRoles     = asn1.ObjectIdentifier{1, 0, 62351, 8, 1}      // edition of 2020
	oidRoles2011 = asn1.ObjectIdentifier{1, 2, 840, 10070, 8, 1} // edition of 2011
)

// maxGrants bounds the grants of one certificate, because each decision looks
// at all of them.
const maxGrants = 64

// operationDelete in an entry takes roles away.
//
// IEEE 1815, user status change
const operationDelete = 2

var errRoles = errors.New("roles extension is malformed")

// grantsOf returns the grants that a certificate carries, which last as long as
// it does.
func grantsOf(cert *x509.Certificate) ([]rbac.Grant, error) {
	var older, newer *[]byte
	for i := range cert.Extensions {
		switch e := &cert.Extensions[i]; {
		case e.Id.Equal(oidRoles):
			newer = &e.Value
		case e.Id.Equal(oidRoles2011):
			older = &e.Value
		}
	}
	if newer == nil {
		newer = older
	}
	if newer == nil {
		return nil, nil
	}
	grants, err := parseRoles(*newer)
	for i := range grants {
		grants[i].NotBefore, grants[i].NotAfter = cert.NotBefore, cert.NotAfter
	}
	return grants, err
}

// parseRoles reads the DER of IECUserRoles.
//
// IEC 62351-8
func parseRoles(der []byte) ([]rbac.Grant, error) {
	var grants []rbac.Grant
	in := cryptobyte.String(der)
	var entries cryptobyte.String
	if !in.ReadASN1(&entries, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, errRoles
	}
	for !entries.Empty() {
		var entry cryptobyte.String
		if !entries.ReadASN1(&entry, cbasn1.SEQUENCE) {
			return nil, errRoles
		}
		g, ok := parseRoleInfo(entry)
		if !ok || len(grants)+len(g) > maxGrants {
			return nil, errRoles
		}
		grants = append(grants, g...)
	}
	return grants, nil
}

// parseRoleInfo reads the content of one UserRoleInfo.
func parseRoleInfo(in cryptobyte.String) ([]rbac.Grant, bool) {
	var roles, aor, definition cryptobyte.String
	var revision int32
	var defined, changed bool
	var operation int
	if !in.ReadASN1(&roles, cbasn1.SEQUENCE) ||
		!in.ReadASN1(&aor, cbasn1.UTF8String) || !utf8.Valid(aor) ||
		!in.ReadASN1Integer(&revision) ||
		!in.ReadOptionalASN1(&definition, &defined, cbasn1.UTF8String) || !utf8.Valid(definition) {
		return nil, false
	}
	if in.PeekASN1Tag(cbasn1.ENUM) {
		changed = true
		if !in.ReadASN1Enum(&operation) {
			return nil, false
		}
	}
	var sequence int64
	if in.PeekASN1Tag(cbasn1.INTEGER) && !in.ReadASN1Integer(&sequence) || !in.Empty() {
		return nil, false
	}
	var grants []rbac.Grant
	for !roles.Empty() {
		var role int64
		if !roles.ReadASN1Integer(&role) || role < math.MinInt16 || role > math.MaxInt16 || len(grants) == maxGrants {
			return nil, false
		}
		grants = append(grants, rbac.Grant{
			Role: rbac.Role(role), AOR: string(aor), Revision: int(revision), Definition: string(definition),
		})
	}
	if changed && operation == operationDelete {
		return nil, true
	}
	return grants, true
}

// marshalRoles returns the DER of IECUserRoles for grants, whose validity is
// the certificate's. Neighbours that differ in the role only share an entry.
func marshalRoles(grants []rbac.Grant) ([]byte, error) {
	if len(grants) > maxGrants {
		return nil, errors.New("too many roles for one certificate")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for len(grants) > 0 {
			n := 1
			for n < len(grants) && sameEntry(grants[n], grants[0]) {
				n++
			}
			addRoleInfo(b, grants[:n])
			grants = grants[n:]
		}
	})
	return b.Bytes()
}

func sameEntry(a, b rbac.Grant) bool {
	return a.AOR == b.AOR && a.Revision == b.Revision && a.Definition == b.Definition
}

func addRoleInfo(b *cryptobyte.Builder, grants []rbac.Grant) {
	g := grants[0]
	if !utf8.ValidString(g.AOR) || !utf8.ValidString(g.Definition) || int(int32(g.Revision)) != g.Revision {
		b.SetError(errors.New("a role's area, definition or revision cannot be written"))
		return
	}
	if g.AOR == "" {
		g.AOR = "*"
	}
	text := func(s string) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) }
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, g := range grants {
				b.AddASN1Int64(int64(g.Role))
			}
		})
		b.AddASN1(cbasn1.UTF8String, text(g.AOR))
		b.AddASN1Int64(int64(g.Revision))
		if g.Definition != "" {
			b.AddASN1(cbasn1.UTF8String, text(g.Definition))
		}
	})
}
