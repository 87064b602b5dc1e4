import { fileURLToPath } from 'node:url';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** Two folders above src and above dist. */
const FOLDER = fileURLToPath(new URL('../../../schema/open-inference/', import.meta.url));
const FILES = ['inference.proto', 'model-repository.proto'];

/** The messages and services of the protocol. */
export function messagesRoot(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (target.startsWith('/') ? target : `${FOLDER}${target}`);
  root.loadSync(FILES, { keepCase: true }).resolveAll();
  return root;
}

/** A service as @grpc/grpc-js takes it; messages are plain objects with the names of the protocol. */
export function serviceDefinitions(): { inference: ServiceDefinition; repository: ServiceDefinition } {
  const root = messagesRoot();
  return {
    inference: definitionOf(root.lookupService('inference.GRPCInferenceService')),
    repository: definitionOf(root.lookupService('inference.model_repository.ModelRepositoryService')),
  };
}

function definitionOf(service: protobuf.Service): ServiceDefinition {
  return Object.fromEntries(
    service.methodsArray.map((method): [string, MethodDefinition<object, object>] => {
      const request = codecOf(method.resolvedRequestType!);
      const response = codecOf(method.resolvedResponseType!);
      return [
        method.name,
        {
          path: `/${service.fullName.slice(1)}/${method.name}`,
          requestStream: method.requestStream ?? false,
          responseStream: method.responseStream ?? false,
          requestSerialize: request.serialize,
          requestDeserialize: request.deserialize,
          responseSerialize: response.serialize,
          responseDeserialize: response.deserialize,
        },
      ];
    }),
  );
}

interface Codec {
  serialize(message: object): Buffer;
  deserialize(bytes: Buffer): object;
}

/** Messages of every prediction, which are plain already: a conversion would copy them. */
const PLAIN = ['ModelInferResponse', 'ModelStreamInferResponse'];

/** Bytes of a message that is read stay views of its buffer. */
function codecOf(type: protobuf.Type): Codec {
  const isPlain = PLAIN.includes(type.name);
  return {
    serialize: (message) => type.encode(isPlain ? message : type.fromObject(message)).finish() as Buffer,
    deserialize: (bytes) => type.decode(bytes),
  };
}
