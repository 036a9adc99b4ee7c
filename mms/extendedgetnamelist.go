package mms

// ExtendedGetNameListRequest asks for the names of objects one level below an object, in the order of their characters.
// In a domain, that is the logical nodes; below LN the functional constraints, and below LN$FC$DO what the data
// object has. What IEC 61850-8-2 calls the components is not public: their names are provisional, and there is no
// encoding in BER.
//
// IEC 61850-8-2, extendedGetNameList.
type ExtendedGetNameListRequest struct {
	ExtendedObjectClass ExtendedObjectClass `asn:"extendedObjectClass [0]"`
	ObjectScope         ObjectScope         `asn:"objectScope [1]"`
	ItemID              string              `asn:"itemId [2] Identifier OPTIONAL"`        // the object; "": the scope itself
	ContinueAfter       string              `asn:"continueAfter [3] Identifier OPTIONAL"` // "": from the beginning
}

// ExtendedGetNameListResponse has the names, each without that of the object above it.
//
// IEC 61850-8-2, extendedGetNameList.
type ExtendedGetNameListResponse struct {
	ListOfIdentifier []string `asn:"listOfIdentifier [0] SEQUENCE OF Identifier"`
	MoreFollows      bool     `asn:"moreFollows [1] DEFAULT TRUE"`
}
