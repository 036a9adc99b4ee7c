package mmsmap

import (
	"context"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// ServerConfig says how a peer is served. Services is needed. It is copied on entry.
type ServerConfig struct {
	Services    func(rbac.Subject) acsi.Services // what a peer may ask, by who it is
	Association assoc.Config                     // sizes and numbers; Handler, Services and Fault are set here
	Identity    Identity                         // of the IED, as Identify tells it
	Fault       func(error)                      // hears of faults that the peer is not told of; nil drops them
}

// Serve answers one peer on link until the association ends or ctx does. It returns nil after an orderly
// release, else why the association ended.
func Serve(ctx context.Context, link assoc.Link, cfg ServerConfig) error {
	if cfg.Fault == nil {
		cfg.Fault = func(error) {}
	}
	ac := cfg.Association
	ac.Fault = cfg.Fault
	s := &server{identity: cfg.Identity, fault: cfg.Fault, refs: make(references)}
	a, err := assoc.Accept(ctx, link, ac, func(a *assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
		s.association = a
		s.services = cfg.Services(a.Peer())
		return s.handle, supportOf(s.services.Supported()), nil
	})
	if err != nil {
		return err
	}
	select {
	case <-a.Done():
	case <-ctx.Done():
		a.Abort()
	}
	return a.Err()
}

// server answers one association. The association calls handle for one request at a time.
type server struct {
	association *assoc.Association
	services    acsi.Services
	identity    Identity
	fault       func(error)
	refs        references
}

func (s *server) handle(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	switch r := request.(type) {
	case *mms.StatusRequest:
		return s.status(ctx)
	case *mms.IdentifyRequest:
		return s.identify(ctx)
	case *mms.GetNameListRequest:
		return s.getNameList(ctx, r)
	case *mms.ReadRequest:
		return s.read(ctx, r)
	case *mms.WriteRequest:
		return s.write(ctx, r)
	case *mms.GetVariableAccessAttributesRequest:
		return s.getVariableAccessAttributes(ctx, r)
	}
	return nil, assoc.ErrUnrecognizedService
}

// supportOf is the MMS services that carry the ACSI services of s.
func supportOf(s acsi.ServiceSet) mms.ServiceSupportOptions {
	kinds := []mms.ServiceKind{mms.ServiceStatus, mms.ServiceIdentify, mms.ServiceConclude}
	for kind, of := range carriers {
		if s&of != 0 {
			kinds = append(kinds, kind)
		}
	}
	return mms.Services(kinds...)
}

// supportedBy is the ACSI services that a peer with the MMS services of o serves.
func supportedBy(o mms.ServiceSupportOptions) acsi.ServiceSet {
	var s acsi.ServiceSet
	for kind, of := range carriers {
		if o.Has(kind) {
			s |= of
		}
	}
	return s
}

// carriers tells which MMS service carries which ACSI services.
//
// IEC 61850-8-1, Table "Mapping of ACSI services".
var carriers = map[mms.ServiceKind]acsi.ServiceSet{
	mms.ServiceGetNameList:                 acsi.GetServerDirectory | acsi.GetLogicalDeviceDirectory | acsi.GetLogicalNodeDirectory,
	mms.ServiceRead:                        acsi.GetDataValues | acsi.GetAllDataValues,
	mms.ServiceWrite:                       acsi.SetDataValues,
	mms.ServiceGetVariableAccessAttributes: acsi.GetDataDirectory | acsi.GetDataDefinition,
}
