// Calls the examples' typed API from files of `tiffin check --proto`, and prints what came of it as
// JSON: node client.js ADDRESS PROTO_FOLDER DIGIT_IMAGE TEXT_IMAGE
// What comes on stdin, if only a line, cancels the call of `patience`.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const ANSWER_MS = 30000;

const [address, protos, digitImage, textImage] = process.argv.slice(2);
const names = ['inference_graph_demo', 'sentiment_analysis', 'patience'];
const definition = protoLoader.loadSync(
  names.map((name) => `tiffin/services/${name}/service.proto`),
  { includeDirs: [protos], keepCase: true });
const services = grpc.loadPackageDefinition(definition).tiffin.services;
const insecure = grpc.credentials.createInsecure();
const digits = new services.inference_graph_demo.InferenceGraphDemo(address, insecure);
const sentiment = new services.sentiment_analysis.SentimentAnalysis(address, insecure);
const patience = new services.patience.Patience(address, insecure);

// Resolves to how the call ended, whichever way. `meanwhile` is told the call.
function ended(client, method, request, { id, deadlineMs = ANSWER_MS, meanwhile } = {}) {
  return new Promise((resolve) => {
    const metadata = new grpc.Metadata();
    if (id !== undefined) metadata.set('x-request-id', id);
    let reply = null;
    const call = client[method](
      request, metadata, { deadline: new Date(Date.now() + deadlineMs) },
      (error, message) => { reply = message; });
    call.on('status', ({ code, details, metadata: trailers }) => {
      // The reply's callback comes within the same turn.
      setImmediate(() => resolve(
        { code: grpc.status[code], details, reply, id: trailers.get('x-request-id')[0] }));
    });
    if (meanwhile !== undefined) meanwhile(call);
  });
}

async function main() {
  const digit = fs.readFileSync(digitImage);
  const text = fs.readFileSync(textImage);
  const results = {
    digit: await ended(digits, 'Predict', { input_image: digit }, { id: 'lunch-1' }),
    feeling: await ended(sentiment, 'Classify', { image: text }, { id: 'lunch-2' }),
    missing: await ended(digits, 'Predict', {}, { id: 'lunch-3' }),
    no_image: await ended(digits, 'Predict', { input_image: Buffer.from('no image') }),
    late: await ended(sentiment, 'Classify', { image: text }, { deadlineMs: 1 }),
    cancelled: await ended(patience, 'Wait', { word: 'soup' },
      { meanwhile: (call) => process.stdin.once('data', () => call.cancel()) }),
    after: await ended(patience, 'Wait', { word: 'stew' }),
  };
  console.log(JSON.stringify(results));
  for (const client of [digits, sentiment, patience]) client.close();
  process.stdin.destroy();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
