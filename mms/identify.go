package mms

// IdentifyRequest asks who has made the server.
//
// ISO 9506-2, Identify-Request.
type IdentifyRequest struct{}

// IdentifyResponse says it.
//
// ISO 9506-2, Identify-Response.
type IdentifyResponse struct {
	VendorName             string   `asn:"vendorName [0] UTF8String"`
	ModelName              string   `asn:"modelName [1] UTF8String"`
	Revision               string   `asn:"revision [2] UTF8String"`
	ListOfAbstractSyntaxes []string `asn:"listOfAbstractSyntaxes [3] SEQUENCE OF OBJECT IDENTIFIER OPTIONAL"` // nil: not told
}
