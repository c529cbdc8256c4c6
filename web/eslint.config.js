// SPDX-License-Identifier: Apache-2.0
import tseslint from 'typescript-eslint';

const noMarkup = 'Data is inserted as text: the page never parses markup.';
const ban = (name) => ({ property: name, message: noMarkup });

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/'] },
  ...tseslint.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'prefer-const': 'error',
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'createContextualFragment'].map(ban),
        { object: 'document', property: 'write', message: noMarkup },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: noMarkup },
      ],
    },
  },
  { files: ['dev/**'], rules: { 'no-console': 'off' } },
);
