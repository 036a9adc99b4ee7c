package jid

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// excluded holds what RFC 7622, Section 3.3.1 takes away from UsernameCaseMapped. The PRECIS profile itself lets all of
// these through, '@' among them, so they are looked for in its output.
const excluded = "\"&'/:<>@"

// hostNames maps a domain for comparison: case, width, normal form; A-labels become U-labels. It checks labels, joiners,
// hyphens and direction, but neither lengths nor a trailing dot.
var hostNames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule())

// hostLengths makes A-labels again, for the limits of the DNS.
var hostLengths = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.VerifyDNSLength(true))

// hostRunes is the repertoire of a label. UTS 46 allows symbols that IDNA2008 does not; PRECIS has the same letters,
// digits and context rules as IDNA2008.
var hostRunes = precis.NewIdentifier(precis.Norm(norm.NFC))

// prepareLocal applies UsernameCaseMapped. RFC 7622, Section 3.3.
func prepareLocal(s string) (string, error) {
	fail := func(msg string) (string, error) { return "", &SyntaxError{LocalPart, 0, msg} }
	if s == "" {
		return fail("empty: an address has something before its @, or no @")
	}
	if !localIsPrepared(s) {
		var err error
		if s, err = enforce(precis.UsernameCaseMapped, s); err != nil {
			return fail(err.Error())
		}
		if i := strings.IndexAny(s, excluded); i >= 0 {
			return fail("the character " + s[i:i+1] + " is not allowed")
		}
	}
	if len(s) > maxPart {
		return fail("longer than 1023 octets")
	}
	return s, nil
}

// prepareResource applies OpaqueString. RFC 7622, Section 3.4.
func prepareResource(s string) (string, error) {
	fail := func(msg string) (string, error) { return "", &SyntaxError{ResourcePart, 0, msg} }
	if s == "" {
		return fail("empty: an address has something after its /, or no /")
	}
	if !resourceIsPrepared(s) {
		var err error
		if s, err = enforce(precis.OpaqueString, s); err != nil {
			return fail(err.Error())
		}
	}
	if len(s) > maxPart {
		return fail("longer than 1023 octets")
	}
	return s, nil
}

// prepareDomain maps a host name to lower-case U-labels without a trailing dot, and an IP address to its canonical form.
// RFC 7622, Section 3.2.
func prepareDomain(s string) (string, error) {
	fail := func(msg string) (string, error) { return "", &SyntaxError{DomainPart, 0, msg} }
	if domainIsPrepared(s) {
		return s, nil
	}
	if s == "" {
		return fail("empty")
	}
	if s[0] == '[' {
		return prepareIPv6(s)
	}
	if !utf8.ValidString(s) {
		return fail("not UTF-8")
	}
	s, err := hostNames.ToUnicode(s)
	if err != nil {
		return fail("not a host name: " + err.Error())
	}
	// The mapping turns other full stops into dots, so a trailing one is looked for only now. One, not several: idna
	// itself would take a second one for the root.
	s = strings.TrimSuffix(s, ".")
	ascii, err := hostLengths.ToASCII(s)
	if err != nil {
		return fail("not a host name: " + err.Error())
	}
	if strings.HasSuffix(s, ".") {
		return fail("not a host name: it ends in an empty label")
	}
	if len(ascii) > 253 || len(s) > maxPart {
		return fail("longer than a host name may be")
	}
	for label := range strings.SplitSeq(s, ".") {
		if checked, err := hostRunes.String(label); err != nil || checked != label {
			return fail("the label " + label + " has characters that no host name has")
		}
	}
	if again, err := hostNames.ToUnicode(s); err != nil || again != s {
		return fail("not a host name: its preparation does not settle")
	}
	return s, nil
}

func prepareIPv6(s string) (string, error) {
	inner, ok := strings.CutSuffix(s[1:], "]")
	a, err := netip.ParseAddr(inner)
	if !ok || err != nil || !a.Is6() || a.Zone() != "" {
		return "", &SyntaxError{DomainPart, 0, "not an IPv6 address in brackets"}
	}
	return "[" + a.String() + "]", nil
}

// enforce applies a profile until its output no longer changes; RFC 8265 warns that once is not always enough, and a
// JID that changed on being parsed again would not be comparable.
func enforce(p *precis.Profile, s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	for range 4 {
		next, err := p.String(s)
		if err != nil {
			return "", errNotAllowed
		}
		if next == s {
			return s, nil
		}
		s = next
	}
	return "", errUnstable
}

type prepareError string

func (e prepareError) Error() string { return string(e) }

const (
	errNotUTF8    = prepareError("not UTF-8")
	errNotAllowed = prepareError("has a character that is not allowed there")
	errUnstable   = prepareError("its preparation does not settle")
)

// localIsPrepared reports whether s is ASCII that UsernameCaseMapped and the exclusions leave as it is.
func localIsPrepared(s string) bool {
	for i := range len(s) {
		if !localASCII[s[i]] {
			return false
		}
	}
	return true
}

var localASCII = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = !('A' <= c && c <= 'Z') && !strings.ContainsRune(excluded, c)
	}
	return t
}()

// resourceIsPrepared reports whether s is printable ASCII, which OpaqueString leaves as it is.
func resourceIsPrepared(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// domainIsPrepared reports whether s is a host name of lower-case letters, digits and hyphens that needs no mapping.
// Labels with hyphens in the third and fourth place are left to IDNA.
func domainIsPrepared(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == '.' {
			label := s[start:i]
			if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
				len(label) >= 4 && label[2:4] == "--" {
				return false
			}
			start = i + 1
			continue
		}
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}
