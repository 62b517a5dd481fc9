// What the formatter does not see: names that are unknown or unused, and slips of the language.

import js from '@eslint/js';
import globals from 'globals';

const rules = {
  ...js.configs.recommended.rules,
  curly: ['error', 'multi-line'],
  eqeqeq: 'error',
  'no-implicit-globals': 'error',
  'no-shadow': 'error',
  'no-unused-vars': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
};

export default [
  { files: ['*.js'], languageOptions: { globals: globals.browser }, rules },
  { files: ['theme.js'], languageOptions: { sourceType: 'script' } },
  { files: ['eslint.config.js', 'test/**'], languageOptions: { globals: globals.node }, rules },
];
