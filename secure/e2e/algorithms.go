package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// A Mode says how data is protected once an association is there. The handshake and what ends an
// association are signed in both, and never encrypted.
type Mode uint8

// The modes.
const (
	Encrypted Mode = iota // nobody on the way can read or change it
	Clear                 // anybody on the way can read, nobody can change it
)

// String names the mode.
func (m Mode) String() string {
	switch m {
	case Encrypted:
		return "encrypted"
	case Clear:
		return "clear"
	}
	return "unknown"
}

// An Algorithm protects data.
type Algorithm uint8

// The algorithms. Those with CBC have HMACSHA256 beside them, over what they have encrypted.
const (
	AES256GCM Algorithm = iota + 1 // Encrypted, authenticated encryption
	AES128GCM
	AES256CBC // Encrypted
	AES128CBC
	HMACSHA256 // Clear
	AES256GMAC
	AES128GMAC
)

// Object identifiers, in dotted form.
const (
	oidHMACWithSHA256 = "1.2.840.113549.2.9"
	oidAES128CBC      = "2.16.840.1.101.3.4.1.2"
	oidAES128GCM      = "2.16.840.1.101.3.4.1.6"
	oidAES128GMAC     = "2.16.840.1.101.3.4.1.9"
	oidAES256CBC      = "2.16.840.1.101.3.4.1.42"
	oidAES256GCM      = "2.16.840.1.101.3.4.1.46"
	oidAES256GMAC     = "2.16.840.1.101.3.4.1.49"
)

// A form is how an algorithm is used: what it needs of keys and of a PDU.
type form uint8

const (
	formAEAD form = iota // encryption and ICV in one; the nonce counts
	formCBC              // encryption, then an HMAC over that
	formHMAC             // ICV only
	formGMAC             // ICV only; the nonce counts
)

// algorithms says what each Algorithm is. Sizes are in octets; icvSize is what we offer.
var algorithms = [...]struct {
	text, name, oid         string
	form                    form
	encKey, icvKey, icvSize int
}{
	AES256GCM:  {"aes-256-gcm", "AES-256-GCM", oidAES256GCM, formAEAD, 32, 0, 16},
	AES128GCM:  {"aes-128-gcm", "AES-128-GCM", oidAES128GCM, formAEAD, 16, 0, 16},
	AES256CBC:  {"aes-256-cbc-hmac-sha256", "AES-256-CBC with HMAC-SHA256", oidAES256CBC, formCBC, 32, 32, 32},
	AES128CBC:  {"aes-128-cbc-hmac-sha256", "AES-128-CBC with HMAC-SHA256", oidAES128CBC, formCBC, 16, 32, 32},
	HMACSHA256: {"hmac-sha256", "HMAC-SHA256", oidHMACWithSHA256, formHMAC, 0, 32, 32},
	AES256GMAC: {"aes-256-gmac", "AES-256-GMAC", oidAES256GMAC, formGMAC, 0, 32, 16},
	AES128GMAC: {"aes-128-gmac", "AES-128-GMAC", oidAES128GMAC, formGMAC, 0, 16, 16},
}

// Algorithms returns those of a mode, in the order of their constants.
func (m Mode) Algorithms() (list []Algorithm) {
	for a := AES256GCM; a.known(); a++ {
		if a.Mode() == m {
			list = append(list, a)
		}
	}
	return list
}

// defaults are the algorithms of a Config that names none: CBC only serves peers that have nothing
// better, so it must be asked for.
func (m Mode) defaults() []Algorithm {
	return slices.DeleteFunc(m.Algorithms(), func(a Algorithm) bool { return a.form() == formCBC })
}

// ParseAlgorithm reads what Algorithm.String writes.
func ParseAlgorithm(text string) (Algorithm, error) {
	var known []string
	for a := AES256GCM; a.known(); a++ {
		if a.String() == text {
			return a, nil
		}
		known = append(known, a.String())
	}
	return 0, fmt.Errorf("%q is no algorithm of end-to-end security, which are %s", text, strings.Join(known, ", "))
}

func (a Algorithm) known() bool { return a != 0 && int(a) < len(algorithms) }

// String returns the algorithm as a command line has it: aes-256-gcm, aes-256-cbc-hmac-sha256,
// hmac-sha256, aes-256-gmac, and so on.
func (a Algorithm) String() string {
	if !a.known() {
		return "unknown"
	}
	return algorithms[a].text
}

// Mode returns the mode that the algorithm is for.
func (a Algorithm) Mode() Mode {
	if f := a.form(); f == formHMAC || f == formGMAC {
		return Clear
	}
	return Encrypted
}

func (a Algorithm) form() form { return algorithms[a].form }

// checkAlgorithms checks the choice of a Config.
func checkAlgorithms(m Mode, list []Algorithm) error {
	for i, a := range list {
		switch {
		case !a.known():
			return fmt.Errorf("%d is no algorithm", a)
		case a.Mode() != m:
			return fmt.Errorf("the algorithm %v is not for the mode %v", a, m)
		case slices.Contains(list[:i], a):
			return fmt.Errorf("the algorithm %v is listed twice", a)
		}
	}
	return nil
}

// Lengths of an ICV of AES-GCM and AES-GMAC, in octets: what absence means, and what we accept.
//
// RFC 5084, Section 3.2; RFC 9044, Section 2.
const (
	icvSizeDefault = 12
	icvSizeMin     = 12
	icvSizeMax     = 16
)

// A suite is an algorithm as two ends have agreed on it.
type suite struct {
	alg     Algorithm
	icvSize int // octets
}

func (s suite) form() form { return s.alg.form() }

// String describes the suite to people.
func (s suite) String() string {
	name := algorithms[s.alg].name
	switch s.form() {
	case formAEAD:
		return fmt.Sprintf("%s, tag of %d octets", name, s.icvSize)
	case formGMAC:
		return fmt.Sprintf("data in clear, %s, tag of %d octets", name, s.icvSize)
	case formHMAC:
		return "data in clear, " + name
	}
	return name
}

// keySizes returns the lengths of the keys for encryption and for the ICV, 0 where there is none.
func (s suite) keySizes() (enc, icv int) { return algorithms[s.alg].encKey, algorithms[s.alg].icvKey }

// icvAlgorithm is what an authenticator beside the data names.
func (s suite) icvAlgorithm() AlgorithmIdentifier {
	if s.form() == formCBC {
		return hmacSHA256
	}
	return s.alg.identifier(s.icvSize)
}

var hmacSHA256 = AlgorithmIdentifier{Algorithm: oidHMACWithSHA256}

// identifier names the algorithm with that length of its ICV.
func (a Algorithm) identifier(icvSize int) AlgorithmIdentifier {
	id := AlgorithmIdentifier{Algorithm: algorithms[a].oid}
	if f := a.form(); f == formAEAD || f == formGMAC {
		size := uint8(icvSize)
		id.Parameters = &GCMParameters{ICVLen: &size}
	}
	return id
}

// identifiers names algorithms as we offer them.
func identifiers(list []Algorithm) (ids []AlgorithmIdentifier) {
	for _, a := range list {
		ids = append(ids, a.identifier(algorithms[a].icvSize))
	}
	return ids
}

// suiteOf returns the suite that id names, if a is its algorithm.
func (a Algorithm) suiteOf(id AlgorithmIdentifier) (suite, bool) {
	if id.Algorithm != algorithms[a].oid {
		return suite{}, false
	}
	if f := a.form(); f != formAEAD && f != formGMAC {
		return suite{a, algorithms[a].icvSize}, id.Parameters == nil
	}
	size := icvSizeDefault
	if p := id.Parameters; p != nil && p.ICVLen != nil {
		size = int(*p.ICVLen)
	}
	return suite{a, size}, size >= icvSizeMin && size <= icvSizeMax
}

// is reports whether a names the algorithm of b, neither having parameters.
func (a AlgorithmIdentifier) is(b AlgorithmIdentifier) bool {
	return a.Algorithm == b.Algorithm && a.Parameters == nil && b.Parameters == nil
}

// same reports whether a and b have the same meaning.
func (a AlgorithmIdentifier) same(b AlgorithmIdentifier) bool {
	return a.Algorithm == b.Algorithm && (a.Parameters == nil) == (b.Parameters == nil) && a.icvLen() == b.icvLen()
}

// icvLen is the length in the parameters, -1 where they have none.
func (a AlgorithmIdentifier) icvLen() int {
	if a.Parameters == nil || a.Parameters.ICVLen == nil {
		return -1
	}
	return int(*a.Parameters.ICVLen)
}
