package iso81

// lenient names what is taken from peers though the standards do not allow it. Config.Strict takes none of it.
type lenient struct {
	anyReference  bool // COTP: a CC that answers another reference than ours, a CR that says one
	connectData   bool // COTP: CR and CC with user data, which is passed over
	longTPDU      bool // COTP: TPDUs longer than was agreed, up to what a packet holds
	dataAlone     bool // session: DATA TRANSFER without GIVE TOKENS before it
	simpleData    bool // presentation: simply encoded data though there are contexts
	fewResults    bool // presentation: a CPA with fewer results than contexts were proposed
	anyIndirect   bool // ACSE: user information that names another context than that of MMS
	anyContext    bool // ACSE: another application context than that of MMS: names of it have changed
	silentRelease bool // ACSE: FINISH and DISCONNECT without RLRQ and RLRE
	anyEncoding   bool // MMS: what mms.Tolerant takes beside BER
	longPDU       bool // MMS: PDUs longer than was agreed, up to Config.MaxPDU
}

func lenience(strict bool) lenient {
	if strict {
		return lenient{}
	}
	return lenient{true, true, true, true, true, true, true, true, true, true, true}
}
