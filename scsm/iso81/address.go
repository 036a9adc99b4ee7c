package iso81

// CalledAddress is the address of an IED where nothing else is configured, see Config.
func CalledAddress() Address { return defaultCalled.clone() }

// CallingAddress is the address of a client where nothing else is configured.
func CallingAddress() Address { return defaultCalling.clone() }

func (a Address) clone() Address {
	qualifier := *a.AEQualifier
	a.AEQualifier = &qualifier
	return a
}
