package e2e

import (
	"slices"

	"busbar.example/secure/audit"
)

// A HandshakeReq offers algorithms of authenticated encryption, or of encryption with an ICV beside
// it, or of an ICV alone. It cannot offer more than one of these kinds, so a client offers that of
// the algorithm it prefers. The server takes what it prefers itself.
//
// IEC 62351-4, 13.3.1.5.

// aeads, cbcs and icvs are those of our algorithms that are of the kind.
func (e *endpoint) aeads() []Algorithm { return e.algorithmsOf(formAEAD) }
func (e *endpoint) cbcs() []Algorithm  { return e.algorithmsOf(formCBC) }
func (e *endpoint) icvs() []Algorithm  { return e.algorithmsOf(formHMAC, formGMAC) }

func (e *endpoint) algorithmsOf(forms ...form) (list []Algorithm) {
	for _, a := range e.Algorithms {
		if slices.Contains(forms, a.form()) {
			list = append(list, a)
		}
	}
	return list
}

// offer is what a client of ours offers.
func (e *endpoint) offer() EncrMode {
	switch e.Algorithms[0].form() {
	case formAEAD:
		return AEA(identifiers(e.aeads()))
	case formCBC:
		return &NonAEA{Encr: identifiers(e.cbcs()), ICV: []AlgorithmIdentifier{hmacSHA256}}
	}
	return &NonAEA{ICV: identifiers(e.icvs())}
}

// choose returns the one of the offered algorithms that is the first of ours, and its identifier as
// offered.
func choose(ours []Algorithm, offered []AlgorithmIdentifier) (suite, AlgorithmIdentifier, bool) {
	for _, a := range ours {
		for _, id := range offered {
			if s, ok := a.suiteOf(id); ok {
				return s, id, true
			}
		}
	}
	return suite{}, AlgorithmIdentifier{}, false
}

// checkProtection checks that the peer means to protect data as we do. It comes before the
// algorithms: two ends of different modes shall be told that.
func (e *endpoint) checkProtection(t *ClearToken1) *fault {
	switch encrypts := t.ConfParams&ApplProtected != 0; {
	case e.Mode == Encrypted && !encrypts:
		return tell(HandshakeEncryptionRequired, audit.E2EDowngrade, "the peer sends data in clear, this end encrypts it")
	case e.Mode == Clear && encrypts:
		return tell(EncryptionNotRequired, audit.E2EDowngrade, "the peer encrypts data, this end sends it in clear")
	}
	return nil
}

// confParams says the same of us.
func (e *endpoint) confParams() ConfidentialityParms {
	if e.Mode == Encrypted {
		return ApplProtected
	}
	return 0
}

// checkOffer checks what a client offers, and chooses.
//
// IEC 62351-4, 14.3.4.
func (e *endpoint) checkOffer(offered EncrMode) (suite, EncrMode, *fault) {
	none := func(diag HandshakeDiagnostics, text string) (suite, EncrMode, *fault) {
		return suite{}, nil, tell(diag, audit.E2EDowngrade, "%s", text)
	}
	list, isAEA := offered.(AEA)
	if e.Mode == Clear && isAEA {
		return none(AeaSelectButEncrypNotSupp, "the peer offers authenticated encryption, and says that it does not encrypt")
	}
	if isAEA {
		if len(e.aeads()) == 0 {
			return none(EncrModeAeaNotSupported, "the peer offers authenticated encryption, this end has none")
		}
		s, id, ok := choose(e.aeads(), list)
		if !ok {
			return none(AeaAlgorithmsNotSupported, "none of the algorithms offered is supported")
		}
		return s, AEA{id}, nil
	}
	lists, ok := offered.(*NonAEA)
	switch {
	case !ok:
		return none(HandshakeProtocolError, "the peer offers nothing")
	case e.Mode == Clear && len(lists.Encr) != 0:
		return none(EncryptionNotRequired, "the peer offers encryption, this end sends data in clear")
	case e.Mode == Clear:
		s, icv, ok := choose(e.icvs(), lists.ICV)
		if !ok {
			return none(IcvAlgorithmsNotSupported, "none of the ICV algorithms offered is supported")
		}
		return s, &NonAEA{ICV: []AlgorithmIdentifier{icv}}, nil
	case len(e.cbcs()) == 0:
		return none(AeIsRequired, "the peer offers no authenticated encryption")
	case len(lists.Encr) == 0:
		return none(HandshakeEncryptionRequired, "the peer offers no encryption")
	}
	s, encr, ok := choose(e.cbcs(), lists.Encr)
	switch {
	case !ok:
		return none(EncryptAlgorithmsNotSupported, "none of the encryption algorithms offered is supported")
	case !slices.ContainsFunc(lists.ICV, hmacSHA256.is):
		return none(IcvAlgorithmsNotSupported, "hmacWithSHA256 is not among the ICV algorithms offered")
	}
	return s, &NonAEA{Encr: []AlgorithmIdentifier{encr}, ICV: []AlgorithmIdentifier{hmacSHA256}}, nil
}

// checkChoice checks what a server has chosen against what we offer: exactly one of each, exactly as
// it was offered.
//
// IEC 62351-4, 14.3.4.
func (e *endpoint) checkChoice(chosen EncrMode) (suite, *fault) {
	none := func(diag HandshakeDiagnostics, text string) (suite, *fault) {
		return suite{}, tell(diag, audit.E2EDowngrade, "%s", text)
	}
	list, isAEA := chosen.(AEA)
	lists, isNonAEA := chosen.(*NonAEA)
	switch e.Algorithms[0].form() {
	case formAEAD:
		if !isAEA {
			return none(AeNotUsed, "the peer chose no authenticated encryption")
		}
		return chosenOf(e.aeads(), list, SingleAeAlgorithmRequired, InvalidAeAlgorithm)
	case formCBC:
		switch {
		case !isNonAEA:
			return none(EncrModeAeaNotSupported, "the peer chose authenticated encryption, which was not offered")
		case len(lists.Encr) == 0:
			return none(HandshakeEncryptionRequired, "the peer chose no encryption")
		case len(lists.ICV) != 1:
			return none(SingleIcvAlgoRequired, "the peer chose not one ICV algorithm")
		case !lists.ICV[0].is(hmacSHA256):
			return none(IcvAlgorithmsNotSupported, "the ICV algorithm was not offered so")
		}
		return chosenOf(e.cbcs(), lists.Encr, SingleEncryptAlgoRequired, InvalidEncryptionAlgorithm)
	}
	switch {
	case !isNonAEA:
		return none(AeaSelectButEncrypNotSupp, "the peer chose authenticated encryption, this end sends data in clear")
	case len(lists.Encr) != 0:
		return none(EncryptionNotRequired, "the peer chose encryption, this end sends data in clear")
	}
	return chosenOf(e.icvs(), lists.ICV, SingleIcvAlgoRequired, IcvAlgorithmsNotSupported)
}

// chosenOf returns the suite that a choice out of ours names. The diagnostics are those of more
// than one, and of another.
func chosenOf(ours []Algorithm, chosen []AlgorithmIdentifier, single, invalid HandshakeDiagnostics) (suite, *fault) {
	if len(chosen) != 1 {
		return suite{}, tell(single, audit.E2EDowngrade, "the peer chose %d algorithms", len(chosen))
	}
	for _, a := range ours {
		if size := algorithms[a].icvSize; chosen[0].same(a.identifier(size)) {
			return suite{a, size}, nil
		}
	}
	return suite{}, tell(invalid, audit.E2EDowngrade, "the algorithm %s was not offered so", chosen[0].Algorithm)
}
