package mms

// GetNameListRequest asks for the names of objects, in the order of their characters.
//
// ISO 9506-2, GetNameList-Request.
type GetNameListRequest struct {
	ExtendedObjectClass ExtendedObjectClass `asn:"extendedObjectClass [0]"`
	ObjectScope         ObjectScope         `asn:"objectScope [1]"`
	ContinueAfter       string              `asn:"continueAfter [2] Identifier OPTIONAL"` // "": from the beginning
}

// ExtendedObjectClass is the class of the objects. It is a CHOICE in ISO 9506-2 whose other alternative is for companion
// standards; with this one only, it is encoded as a SEQUENCE.
type ExtendedObjectClass struct {
	ObjectClass ObjectClass `asn:"objectClass [0]"`
}

// GetNameListResponse has the names.
//
// ISO 9506-2, GetNameList-Response.
type GetNameListResponse struct {
	ListOfIdentifier []string `asn:"listOfIdentifier [0] SEQUENCE OF Identifier"`
	MoreFollows      bool     `asn:"moreFollows [1] DEFAULT TRUE"`
}
