package mms

import "busbar.example/internal/asn1"

// ObjectName is VMDSpecific, DomainSpecific or AASpecific. Object names compare with ==.
//
// ISO 9506-2, ObjectName.
type ObjectName interface{ objectName() }

// VMDSpecific is a name that is unique in the server.
type VMDSpecific string

// DomainSpecific is a name that is unique in a domain; in IEC 61850 a logical device.
type DomainSpecific struct {
	DomainID string `asn:"domainId Identifier ALIAS domainID"`
	ItemID   string `asn:"itemId Identifier ALIAS itemID"`
}

// AASpecific is a name that lives as long as the association.
type AASpecific string

func (VMDSpecific) objectName()    {}
func (DomainSpecific) objectName() {}
func (AASpecific) objectName()     {}

var objectNameDecl = asn1.Choice[ObjectName]("ObjectName",
	asn1.Alt[VMDSpecific]("vmd-specific [0] Identifier"),
	asn1.Alt[DomainSpecific]("domain-specific [1]"),
	asn1.Alt[AASpecific]("aa-specific [2] Identifier"),
)

// ObjectClass is a kind of MMS object.
//
// ISO 9506-2, ObjectClass.
type ObjectClass int32

// The object classes that IEC 61850 uses.
const (
	ClassNamedVariable     ObjectClass = 0
	ClassNamedVariableList ObjectClass = 2
	ClassJournal           ObjectClass = 8
	ClassDomain            ObjectClass = 9
)

var objectClassNames = asn1.Names{"namedVariable", "scatteredAccess", "namedVariableList", "namedType", "semaphore",
	"eventCondition", "eventAction", "eventEnrollment", "journal", "domain", "programInvocation", "operatorStation"}

// String gives the standard's word for c.
func (c ObjectClass) String() string { return objectClassNames.Text(int64(c)) }

// ObjectScope is ScopeVMD, ScopeDomain or ScopeAA.
//
// ISO 9506-2, GetNameList-Request.
type ObjectScope interface{ objectScope() }

// ScopeVMD asks for names that are unique in the server.
type ScopeVMD struct{}

// ScopeDomain asks for the names in the domain called so.
type ScopeDomain string

// ScopeAA asks for the names of the association.
type ScopeAA struct{}

func (ScopeVMD) objectScope()    {}
func (ScopeDomain) objectScope() {}
func (ScopeAA) objectScope()     {}

var objectScopeDecl = asn1.Choice[ObjectScope]("ObjectScope",
	asn1.Alt[ScopeVMD]("vmdSpecific [0]"),
	asn1.Alt[ScopeDomain]("domainSpecific [1] Identifier"),
	asn1.Alt[ScopeAA]("aaSpecific [2]"),
)
